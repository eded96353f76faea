#!/bin/sh
# Makes the passwords and keys that docker-compose.yml hands to its services, in deploy/secrets. What is there stays.
#
# And looks whether containers can read what they are given of this repository, which a clone under a strict umask forbids.
#
# The folder is closed to all others on this machine. The files in it can be read by all who get that far: each service has
# a user of its own, and sees only the files that are mounted into it.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
chmod 700 secrets

random() { # random BYTES: as hexadecimal digits
  od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

# Keeps standard input as a secret, all of it or nothing.
keep() {
  cat > "secrets/.$1"
  chmod 444 "secrets/.$1"
  mv "secrets/.$1" "secrets/$1"
  echo "made deploy/secrets/$1" >&2
}

for name in redis_password redis_flower_password redis_watch_password flower_password grafana_password; do
  [ -e "secrets/$name" ] || random 24 | keep "$name"
done

# The store's users, and the same keys as their owners' AWS clients read them.
if ! [ -e secrets/s3_config.json ]; then
  admin_id=$(random 10)
  admin_key=$(random 24)
  user_id=$(random 10)
  user_key=$(random 24)
  printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$admin_id" "$admin_key" | keep s3_admin_credentials
  printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$user_id" "$user_key" | keep s3_credentials
  keep s3_config.json <<END
{
  "identities": [
    {
      "name": "admin",
      "credentials": [{"accessKey": "$admin_id", "secretKey": "$admin_key"}],
      "actions": ["Admin"]
    },
    {
      "name": "askpix",
      "credentials": [{"accessKey": "$user_id", "secretKey": "$user_key"}],
      "actions": ["Read:askpix", "Write:askpix", "List:askpix"]
    }
  ]
}
END
fi

# Their users are others than the owner of the clone. `deploy` as a whole is not named: the secrets are in it.
cd ..
given="deploy/redis deploy/s3 deploy/prometheus deploy/grafana deploy/models deploy/model.sh demo/images"
# shellcheck disable=SC2086
closed=$(find -H $given \( -type d ! -perm -005 -o ! -type d ! -perm -004 \) -print 2>/dev/null || true)
if [ -n "$closed" ]; then
  echo "containers could not read:" >&2
  echo "$closed" | sed -n '1,5s/^/  /p' >&2
  echo "have them read it, and run this again:  chmod -R go+rX $given" >&2
  exit 1
fi
