// An installed Pillow is asked about the same files: those of pictures.py, and some hundred changed ones.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

/// MILLRACE_PYTHON, or the one that the set-up made.
std::string python() {
  const char* named = std::getenv("MILLRACE_PYTHON");
  return named && *named ? named : MILLRACE_VENV_PYTHON;
}

/// The status of a shell's command; -1 where it was ended by a signal.
int status_of(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(BesidePillow, PicturesAndChangedFilesHaveTheSamePixelsWhereBothReadThem) {
  if (status_of("'" + python() + "' -c 'import numpy, PIL; assert int(PIL.__version__.split(\".\")[0]) >= 13' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no Pillow 13 or later in " << python() << ": MILLRACE_PYTHON names a Python that has it, and NumPy";
  const fs::path output = fs::temp_directory_path() / ("millrace-pillow-" + std::to_string(::getpid()));
  const int status = status_of("PYTHONDONTWRITEBYTECODE=1 '" + python() + "' '" MILLRACE_SOURCE_DIR "/tests/formats/beside_pillow.py' '" MILLRACE_DECODE_FILES "' 800 >'" + output.string() + "' 2>&1");
  std::stringstream text;
  text << std::ifstream(output).rdbuf();
  fs::remove(output);
  EXPECT_EQ(status, 0) << text.str();
  EXPECT_NE(text.str().find("0 failures"), std::string::npos) << text.str();
}

}  // namespace
