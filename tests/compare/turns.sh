# What the comparisons share; read by `run` and `hl7v2`, which set $here and $scratch.

# One virtual environment in $scratch for all subjects of PyPI.
python=$scratch/python/bin/python
# The drivers import what they share: nothing is left in the checkout.
export PYTHONDONTWRITEBYTECODE=1
packages() {
    [ -d "$scratch/python" ] || python3 -m venv "$scratch/python"
    "$scratch/python/bin/pip" install --quiet "$@"
}

# The driver has a feature for each of its programs, so that one is built without what the others need.
driver() {
    CARGO_TARGET_DIR="$scratch/target" cargo build --quiet --release --manifest-path "$here/driver/Cargo.toml" \
        --features "$1" --bin "$1"
}

one_core() { if command -v taskset >/dev/null; then taskset -c 0 "$@"; else "$@"; fi; }

# One turn of one subject: its lines begin with its name. Through a file, as a pipe would hide that it failed.
turn() {
    name=$1
    shift
    one_core "$@" >"$scratch/$name.out" 2>"$scratch/$name.log" || { echo "$name failed, see $scratch/$name.log" >&2; exit 1; }
    sed "s/^/$name	/" "$scratch/$name.out" | tee -a "$scratch/turns.tsv"
}
