# LibTorch from the PyPI wheels in .venv (or MILLRACE_TORCH_SITE, a site-packages folder): no CUDA toolkit, no nvcc.
#   LibTorch::cpu    torch_cpu, c10 and their headers
#   LibTorch::cuda   torch_cuda, c10_cuda, the CUDA runtime and NCCL, where the CUDA wheels are
# Sets LibTorch_FOUND, LibTorch_VERSION, LibTorch_CUDA_FOUND, LibTorch_SITE.
set(MILLRACE_TORCH_SITE "" CACHE PATH "site-packages that hold torch; empty: the project's .venv")
set(_wanted 2.11.0)
if(MILLRACE_TORCH_SITE)
  set(LibTorch_SITE ${MILLRACE_TORCH_SITE})
else()
  file(GLOB _sites ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages)
  list(APPEND _sites "")
  list(GET _sites 0 LibTorch_SITE)
endif()
if(NOT LibTorch_SITE OR NOT EXISTS ${LibTorch_SITE}/torch/version.py)
  message(FATAL_ERROR "Millrace needs the LibTorch wheel: run 'make setup', or pip install torch==${_wanted} and set MILLRACE_TORCH_SITE")
endif()
file(STRINGS ${LibTorch_SITE}/torch/version.py _line REGEX "^__version__ = ")
string(REGEX REPLACE "^__version__ = '([0-9.]+).*'.*" "\\1" LibTorch_VERSION "${_line}")
if(NOT LibTorch_VERSION VERSION_EQUAL _wanted)
  message(FATAL_ERROR "Millrace needs torch ${_wanted} (its C++ ABI changes with each release), found ${LibTorch_VERSION} in ${LibTorch_SITE}: remove .venv and run 'make setup'")
endif()

set(_torch ${LibTorch_SITE}/torch)
set(_cu ${LibTorch_SITE}/nvidia/cu13)
if(NOT TARGET LibTorch::cpu)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${_torch}/lib/libc10.so)
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES IMPORTED_LOCATION ${_torch}/lib/libtorch_cpu.so
    INTERFACE_INCLUDE_DIRECTORIES "${_torch}/include;${_torch}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES LibTorch::c10
    # libtorch_cpu needs the CUDA runtime and CUPTI by name even where no GPU is used. At run time it finds them by its own
    # DT_RPATH, relative to itself (RUNPATH of ours would not serve a dependency's dependency); the linker needs telling.
    INTERFACE_LINK_OPTIONS "-Wl,-rpath,${_torch}/lib;-Wl,-rpath-link,${_torch}/lib:${_cu}/lib;-Wl,--allow-shlib-undefined")
endif()

set(LibTorch_CUDA_FOUND FALSE)
file(GLOB _cudart ${_cu}/lib/libcudart.so.*)
file(GLOB _nccl ${LibTorch_SITE}/nvidia/nccl/lib/libnccl.so.*)
if(_cudart AND _nccl AND EXISTS ${LibTorch_SITE}/nvidia/nccl/include/nccl.h AND EXISTS ${_cu}/include/cuda_runtime_api.h AND EXISTS ${_torch}/lib/libtorch_cuda.so)
  set(LibTorch_CUDA_FOUND TRUE)
  if(NOT TARGET LibTorch::cuda)
    # By soname: the wheels have no development links.
    list(GET _cudart 0 _cudart)  # There may be several, a link beside the library: one will do.
    list(GET _nccl 0 _nccl)
    file(GLOB _nvidia_libs LIST_DIRECTORIES true ${LibTorch_SITE}/nvidia/*/lib)
    list(JOIN _nvidia_libs ":" _nvidia_path)
    add_library(LibTorch::cudart SHARED IMPORTED)
    set_target_properties(LibTorch::cudart PROPERTIES IMPORTED_LOCATION ${_cudart})
    add_library(LibTorch::nccl SHARED IMPORTED)
    set_target_properties(LibTorch::nccl PROPERTIES IMPORTED_LOCATION ${_nccl}
      INTERFACE_INCLUDE_DIRECTORIES ${LibTorch_SITE}/nvidia/nccl/include)
    add_library(LibTorch::c10_cuda SHARED IMPORTED)
    set_target_properties(LibTorch::c10_cuda PROPERTIES IMPORTED_LOCATION ${_torch}/lib/libc10_cuda.so)
    add_library(LibTorch::cuda SHARED IMPORTED)
    set_target_properties(LibTorch::cuda PROPERTIES IMPORTED_LOCATION ${_torch}/lib/libtorch_cuda.so
      INTERFACE_INCLUDE_DIRECTORIES ${_cu}/include
      INTERFACE_LINK_LIBRARIES "LibTorch::cpu;LibTorch::c10_cuda;LibTorch::cudart;LibTorch::nccl"
      # Kept even where no symbol of it is used: libtorch_cuda registers the GPU's kernels when it is loaded.
      INTERFACE_LINK_OPTIONS "-Wl,--push-state,--no-as-needed,${_torch}/lib/libtorch_cuda.so,--pop-state;-Wl,-rpath,${_nvidia_path};-Wl,-rpath-link,${_nvidia_path}")
  endif()
endif()
set(LibTorch_FOUND TRUE)
