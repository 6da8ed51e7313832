// What the build makes of folders that look like LibTorch's wheels: cmake/FindLibTorch.cmake, run by the cmake that configured this.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace fs = std::filesystem;

namespace {

class Wheels : public testing::Test {
 protected:
  Wheels() { write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\nproject(wheels NONE)\ninclude(" MILLRACE_SOURCE_DIR "/cmake/FindLibTorch.cmake)\nmessage(STATUS \"GPU code: ${LibTorch_CUDA_FOUND}\")\n"); }
  ~Wheels() override { fs::remove_all(folder_); }
  void write(const std::string& path, const std::string& text = "") {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  void cuda_wheels() {
    write("site/torch/version.py", "__version__ = '2.11.0+cu130'\n");
    for (const char* file : {"torch/lib/libtorch_cuda.so", "nvidia/nccl/include/nccl.h", "nvidia/nccl/lib/libnccl.so.2", "nvidia/cu13/include/cuda_runtime_api.h", "nvidia/cu13/lib/libcudart.so.13"})
      write(std::string("site/") + file);
  }
  /// What configuring says; it must succeed.
  std::string configured() {
    const std::string log = (folder_ / "log").string();
    const std::string command = MILLRACE_CMAKE " -S " + folder_.string() + " -B " + (folder_ / "build").string() + " -DMILLRACE_TORCH_SITE=" + (folder_ / "site").string() + " >" + log + " 2>&1";
    const int status = std::system(command.c_str());
    std::ifstream in(log);
    const std::string said{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(WEXITSTATUS(status), 0) << said;
    return said;
  }
  const fs::path folder_ = fs::temp_directory_path() / ("millrace_wheels_" + std::to_string(getpid()) + testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(Wheels, OneOfSeveralFilesOfALibraryIsTaken) {
  cuda_wheels();
  write("site/nvidia/nccl/lib/libnccl.so.2.28.9");
  write("site/nvidia/cu13/lib/libcudart.so.13.0.96");
  EXPECT_NE(configured().find("GPU code: TRUE"), std::string::npos);
}

TEST_F(Wheels, WithoutALibraryThereIsNoGpuCode) {
  cuda_wheels();
  fs::remove(folder_ / "site/nvidia/nccl/lib/libnccl.so.2");
  EXPECT_NE(configured().find("GPU code: FALSE"), std::string::npos);
}

}  // namespace
