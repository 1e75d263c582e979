"""Compiles CUDA C++ to PTX: `nvrtc.py LIBRARY ARCHITECTURE INCLUDE FILE...` writes FILE.ptx, or FILE.log if it cannot."""

import ctypes
import sys

library, architecture, include, *files = sys.argv[1:]
nvrtc = ctypes.CDLL(library)


def text(program, kind):
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{kind}")(program, buffer)
    return buffer.value


flags = [f"--gpu-architecture={architecture}", f"--include-path={include}", "--std=c++17", "-default-device", "-w"]
options = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
for file in files:
    with open(file, "rb") as source:
        code = source.read()
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, file.encode(), 0, None, None)
    failed = nvrtc.nvrtcCompileProgram(program, len(flags), options)
    with open(f"{file}.{'log' if failed else 'ptx'}", "wb") as out:
        out.write(text(program, "ProgramLog" if failed else "PTX"))
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
