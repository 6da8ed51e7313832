# Flags of every target of ours, linked privately and never exported.
add_library(millrace_flags INTERFACE)
target_compile_options(millrace_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers
  -ffp-contract=off) # Exact kernels: an FMA in place of a product and a sum changes pixels.
target_include_directories(millrace_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(MILLRACE_SANITIZE)
  target_compile_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE})
  if(MILLRACE_SANITIZE MATCHES undefined)
    # oneTBB's headers and Debian's library disagree on vtables' visibility: a false report otherwise.
    target_compile_options(millrace_flags INTERFACE -fno-sanitize=vptr -fno-sanitize-recover=undefined)
  endif()
endif()
