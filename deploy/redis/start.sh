#!/bin/sh
# Starts Redis or Valkey with users whose passwords come from files. Needs sh and sha256sum; docs/redis.md lists what it reads.
set -eu
umask 077

here=$(dirname "$0")
secrets=${REDIS_SECRETS:-/run/secrets}
run=${REDIS_RUN:-/tmp/redis}
template=${REDIS_ACL:-$here/users.acl}
config=${REDIS_CONF:-$here/redis.conf}

fail() {
    echo "start.sh: $1" >&2
    exit 2
}

# The digest of the password in a secret. It is in no argument and no environment, where other programs could see it.
digest() {
    password=$(cat "$secrets/$1")
    case $password in
        '') fail "the secret $1 is empty" ;;
        *[![:graph:]]*) fail "the secret $1 holds a space, a line break or no plain character" ;;
    esac
    printf %s "$password" | sha256sum | cut -d ' ' -f 1
}

[ -r "$template" ] || fail "$template cannot be read"
[ -r "$config" ] || fail "$config cannot be read"
[ -r "$secrets/redis_password" ] || fail "$secrets/redis_password cannot be read: it holds the password of the user askpix"
data=${REDIS_DATA:-/data}
[ -d "$data" ] || fail "$data is no folder: it is for the append-only file"
mkdir -p "$run"
chmod 700 "$run"
# The server changes into the folder of its data before it reads files.
secrets=$(cd "$secrets" && pwd)
run=$(cd "$run" && pwd)
data=$(cd "$data" && pwd)
: > "$run/users.acl"

while IFS= read -r line || [ -n "$line" ]; do
    case $line in
        'user '*'#@'*'@'*)
            name=${line#*'#@'}
            name=${name%%'@'*}
            # Whose secret is not there is no user.
            [ -r "$secrets/$name" ] || continue
            hash=$(digest "$name")
            printf '%s\n' "${line%%'#@'*}#$hash${line#*"#@$name@"}" >> "$run/users.acl"
            ;;
        'user '*) printf '%s\n' "$line" >> "$run/users.acl" ;;
    esac
done < "$template"

# A copy, for sentinels have a server write down whose replica it is. Where the folder is kept, so is that.
if [ ! -e "$run/redis.conf" ]; then
    cat "$config" > "$run/redis.conf"
    [ -z "${REDIS_REPLICAOF:-}" ] || printf 'replicaof %s\n' "$REDIS_REPLICAOF" >> "$run/redis.conf"
    if [ -r "$secrets/redis_replica_password" ]; then
        printf 'masteruser replica\nmasterauth "%s"\n' "$(sed 's/[\\"]/\\&/g' "$secrets/redis_replica_password")" >> "$run/redis.conf"
    fi
fi
set -- "$run/redis.conf" --dir "$data" --aclfile "$run/users.acl" "$@"
[ -z "${REDIS_MAXMEMORY:-}" ] || set -- "$@" --maxmemory "$REDIS_MAXMEMORY"

# With a certificate, only TLS is spoken; with an authority for clients, they need certificates too.
if [ -r "$secrets/redis_tls_cert" ]; then
    [ -r "$secrets/redis_tls_key" ] || fail "$secrets/redis_tls_key cannot be read: it belongs to redis_tls_cert"
    set -- "$@" --port 0 --tls-port "${REDIS_PORT:-6379}" --tls-protocols "TLSv1.2 TLSv1.3"
    set -- "$@" --tls-cert-file "$secrets/redis_tls_cert" --tls-key-file "$secrets/redis_tls_key"
    if [ -r "$secrets/redis_tls_ca" ]; then
        set -- "$@" --tls-ca-cert-file "$secrets/redis_tls_ca" --tls-auth-clients yes
    else
        set -- "$@" --tls-auth-clients no
    fi
else
    set -- "$@" --port "${REDIS_PORT:-6379}"
fi

server=${REDIS_SERVER:-$(command -v redis-server || command -v valkey-server || true)}
[ -n "$server" ] || fail "there is neither redis-server nor valkey-server here"
exec "$server" "$@"
