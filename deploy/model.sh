#!/bin/sh
# Puts the model that workers serve into a volume, as /models/current: what $MODEL says, and the demo model where it says
# nothing. Converts it where that is needed; what has been made for the same words before stays.
#
#   MODEL            a hub id, or a folder under /import: a model folder, or a checkpoint
#   MODEL_PRECISION  f32, f16 or int8, of a model that is converted
#   MODEL_IMAGES     for int8: pictures to calibrate with, under /import
set -eu
models=${MODELS:-/models}
wanted="${MODEL:-demo} ${MODEL_PRECISION:-f32} ${MODEL_IMAGES:-}"
if [ -e "$models/current" ] && [ "$(cat "$models/current.from" 2>/dev/null)" = "$wanted" ]; then
  echo "the model is there: $wanted"
  exit 0
fi

# Half a model is never served: it is made beside the others, and becomes the current one in one step.
new="$models/model-$(date -u +%Y%m%d-%H%M%S)-$$"
trap 'rm -rf "$new" "$models/hub"' EXIT
case "${MODEL:-}" in
  "") from=$(python -I -c 'from askpix.worker.local import demo_model; print(demo_model())') ;;
  *) from=$MODEL ;;
esac
if [ -e "$from/manifest.json" ]; then
  cp -r "$from" "$new"
else
  set -- --precision "${MODEL_PRECISION:-f32}"
  [ -z "${MODEL_IMAGES:-}" ] || set -- "$@" --images "$MODEL_IMAGES"
  # What a hub sends is kept only for as long as it takes.
  HF_HOME="$models/hub" askpix model convert "$from" --output "$new" "$@"
fi
askpix model info "$new"
old=$(readlink "$models/current" || true)
ln -s "$(basename "$new")" "$models/current.new"
mv -T "$models/current.new" "$models/current"
printf '%s' "$wanted" > "$models/current.from"
trap 'rm -rf "$models/hub"' EXIT
[ -z "$old" ] || rm -rf "${models:?}/$old"
echo "workers serve $wanted from now on"
