"""Make the environment in which the peers run, apart from that of isthmus.

python benchmarks/peers/make_venv.py --venv peers-venv
"""

import argparse
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).parent
SAY_VERSIONS = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=Path("peers-venv"), help="folder to make it in")
    parser.add_argument("--no_keras", action="store_true", help="leave out Keras and TensorFlow")
    args = parser.parse_args()
    pins = read_pins(HERE / "requirements.txt")
    keras = {} if args.no_keras else read_pins(HERE / "requirements-keras.txt")
    venv.create(args.venv, with_pip=True)
    # torch by itself first, and pinned ever after: the build that is there stays.
    for wanted in [{"torch": pins["torch"]}, pins, {"torch": pins["torch"], **keras}]:
        install(args.venv, wanted)
    subprocess.run([python_of(args.venv), "-c", SAY_VERSIONS, *pins, *keras], check=True)


def read_pins(path: Path) -> dict[str, str]:
    """Releases by package."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def install(folder: Path, pins: dict[str, str]) -> None:
    wanted = [f"{name}=={release}" for name, release in pins.items()]
    subprocess.run([python_of(folder), "-m", "pip", "install", "--quiet", *wanted], check=True)


def python_of(folder: Path) -> str:
    """Interpreter of an environment; its links are kept, as they say which environment it is of."""
    windows = folder / "Scripts" / "python.exe"
    return str((windows if windows.exists() else folder / "bin" / "python").absolute())


if __name__ == "__main__":
    main()
