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

# What is of use to nobody: halves of models, and what a hub sent. One that was killed left them too.
sweep() {
  current=$(readlink "$models/current" || true)
  for each in "$models"/model-* "$models"/.model-*; do
    [ "${each##*/}" = "$current" ] || rm -rf "$each"
  done
  rm -rf "$models/hub" "$models/current.new"
}

sweep
if [ -e "$models/current" ] && [ "$(cat "$models/current.from" 2>/dev/null)" = "$wanted" ]; then
  echo "the model is there: $wanted"
  exit 0
fi

# Half a model is never served: it is made beside the others, and becomes the current one in one step.
new="$models/model-$(date -u +%Y%m%d-%H%M%S)-$$"
trap sweep EXIT
# A shell that a signal ends does not look at EXIT, and what runs beside it does not end with it.
trap 'kill "${!:-}" 2>/dev/null || true; wait; exit 143' TERM INT
case "${MODEL:-}" in
  "") from=$(python -I -c 'from askpix.worker.local import demo_model; print(demo_model())') ;;
  *) from=$MODEL ;;
esac
if [ -e "$from/manifest.json" ]; then
  cp -r "$from" "$new"
else
  set -- --precision "${MODEL_PRECISION:-f32}"
  [ -z "${MODEL_IMAGES:-}" ] || set -- "$@" --images "$MODEL_IMAGES"
  # What a hub sends is kept only for as long as it takes. Beside the shell, which else would see a signal only when it is over.
  HF_HOME="$models/hub" askpix model convert "$from" --output "$new" "$@" &
  wait "$!"
fi
askpix model info "$new"
ln -s "$(basename "$new")" "$models/current.new"
rm -f "$models/current.from"
mv -T "$models/current.new" "$models/current"
printf '%s' "$wanted" > "$models/current.from"
echo "workers serve $wanted from now on"
