"""The device double (tests/cuda_double), where there is no GPU: preloaded libraries in place of CUDA's and NCCL's."""
LIBRARIES = ["libcudart.so.13", "libnccl.so.2", "libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libcuda.so.1"]


class Double:
    def __init__(self, build):
        self.folder = build / "tests/cuda_double/lib"

    def missing(self):
        """The first library that was not built; empty: all were."""
        absent = [str(self.folder / name) for name in LIBRARIES if not (self.folder / name).exists()]
        return absent[0] if absent else ""

    def environment(self, gpus):
        return {"LD_PRELOAD": " ".join(str(self.folder / name) for name in LIBRARIES), "CUDA_DOUBLE_DEVICES": str(gpus)}
