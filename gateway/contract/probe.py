"""Import one module and print, as JSON, what it does besides; run as a script of its own."""

import importlib
import importlib.util
import io
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

WATCHED = {
    "socket.connect": "opens a connection",
    "socket.bind": "opens a port",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.mkdir": "makes a folder",
    "os.remove": "deletes a file",
    "os.rename": "renames a file",
    "os.putenv": "changes the environment",
    "os.chdir": "changes the working directory",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Watch:
    """Notes what a module does by itself, not what it imports does."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.effects: list[str] = []

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """Look at an audit event of Python's."""
        if event == "open":
            flags = arguments[2]
            if isinstance(flags, int) and flags & _WRITING:
                self.note("writes a file")
        elif event in WATCHED:
            self.note(WATCHED[event])

    def note(self, what: str) -> None:
        """Note what happens now, if the module's own code is what does it."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to the caller
        while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
            if frame.f_code.co_filename == self._file:
                effect = f"{Path(self._file).name}:{frame.f_lineno}: {what}"
                if effect not in self.effects:
                    self.effects.append(effect)
                return
            frame = frame.f_back


def load(name: str, file: str) -> None:
    """Import by name where that leads to the file, else the file itself."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin and Path(spec.origin).resolve() == Path(file):
        importlib.import_module(name)
        return
    sys.path.append(str(Path(file).parent))
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def main(name: str, file: str) -> list[str]:
    """Return what importing does besides."""
    import gateway.plugin  # noqa: F401, PLC0415 - what every plugin imports is no effect of its own

    watch = Watch(file)
    start = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        watch.note("starts a thread")
        start(thread)

    threading.Thread.start = started  # type: ignore[assignment] # Python audits threads from 3.12 on
    handlers = [signal.getsignal(one) for one in _SIGNALS]
    real, sys.stdout = sys.stdout, io.StringIO()
    sys.addaudithook(watch.audit)
    load(name, file)
    where = Path(file).name
    if sys.stdout.getvalue():
        watch.effects.append(f"{where}: prints")
    if handlers != [signal.getsignal(one) for one in _SIGNALS]:
        watch.effects.append(f"{where}: changes what signals do")
    sys.stdout = real
    return watch.effects


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this script, which is no place for imports
    print(json.dumps(main(sys.argv[1], sys.argv[2])), flush=True)  # noqa: T201 - the answer
    os._exit(0)  # whatever the module started ends here
