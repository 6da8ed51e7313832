# The door. `make demo` and `make test` do all the set-up on a fresh Debian 12 machine, then the main job and the tests.
#   MILLRACE_CUDA=AUTO|ON|OFF   which LibTorch wheels to take (AUTO: with CUDA where an NVIDIA driver is present)
#   CTEST_FLAGS=...             passed on to ctest
#   PRESET=release|dev|asan|tsan|cuda
MILLRACE_CUDA ?= AUTO
PRESET ?= release
BUILD := build/$(PRESET)
export MILLRACE_CUDA

.PHONY: demo test build program gpu-check setup compare-deps test-peers clean
demo: program
	@$(BUILD)/millrace study experiments/specs/quickstart.toml --out out/quickstart

test: build
	@ctest --preset $(PRESET) $(CTEST_FLAGS)

build: setup
	@cmake/configure.sh $(PRESET)
	@cmake --build --preset $(PRESET)

program: setup
	@cmake/configure.sh $(PRESET)
	@cmake --build --preset $(PRESET) --target millrace millrace_train

# Whether Millrace works on this machine's GPU, and how fast: out/gpu-check/table.md. Without a GPU, on the device double.
gpu-check: export MILLRACE_CUDA := ON
gpu-check: setup
	@cmake/configure.sh $(PRESET)
	@cmake --build --preset $(PRESET) --target millrace millrace_train test_train_gpu cuda_double
	@python3 tests/gpu_check/gpu_check.py --build $(BUILD)

setup:
	@cmake/setup.sh

# What `millrace compare` runs beside itself, and torchrun: the whole of torch (4.8 GB), torchvision, Pillow and timm, into .venv.
compare-deps:
	@cmake/peers.sh python

# And what tests ask of others' programs; they skip visibly without: tensorboard, Open MPI, MPICH, Slurm, xxhash, iproute2.
test-peers:
	@cmake/peers.sh all

clean:
	rm -rf build
