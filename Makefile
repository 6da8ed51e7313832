# The door. `make demo` and `make test` do all the set-up on a fresh Debian 12 machine, then the main job and the tests.
#   MILLRACE_CUDA=AUTO|ON|OFF   which LibTorch wheels to take (AUTO: with CUDA where an NVIDIA driver is present)
#   PRESET=release|dev|asan|tsan|cuda
MILLRACE_CUDA ?= AUTO
PRESET ?= release
BUILD := build/$(PRESET)
export MILLRACE_CUDA

.PHONY: demo test build program gpu-check setup clean
demo: program
	@$(BUILD)/millrace study experiments/specs/quickstart.toml --out out/quickstart

test: build
	@ctest --preset $(PRESET)

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

clean:
	rm -rf build
