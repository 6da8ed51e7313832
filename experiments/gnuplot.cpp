#include "experiments/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "experiments/text_file.h"
#include "pipeline/error.h"

extern char** environ;

namespace millrace {
namespace {

bool run_gnuplot(const std::string& folder, const std::string& terminal, const std::string& file, const std::string& script_name,
                 std::string& error) {
  const std::string setup = "set terminal " + terminal + "; set output '" + file + "'";
  std::string program = "gnuplot", flag = "-e", script = script_name, set = setup;
  char* arguments[] = {program.data(), flag.data(), set.data(), script.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  pid_t child = 0;
  const int failure = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failure == 0) waitpid(child, &status, 0);
  if (failure == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  error = failure == ENOENT || (WIFEXITED(status) && WEXITSTATUS(status) == 127)
              ? "gnuplot is not installed (apt-get install gnuplot-nox): no plot"
              : "gnuplot failed on " + folder + "/" + script_name;
  return false;
}

}  // namespace

std::string gnuplot_text(std::string text) {
  std::erase_if(text, [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32; });
  return "\"" + text + "\"";
}

std::vector<std::string> write_pictures(const std::string& folder, const std::string& stem, const std::string& program, int width,
                                        int height, const std::function<void(const std::string&)>& warn) {
  const std::string script = stem + ".gp";
  write_text((std::filesystem::path(folder) / script).string(), program);
  std::vector<std::string> files;
  const std::string size = "size " + std::to_string(width) + "," + std::to_string(height) + " enhanced font 'sans,11'";
  for (const auto& [terminal, file] :
       {std::pair{"svg " + size + " background rgb 'white'", stem + ".svg"}, std::pair{"pngcairo " + size, stem + ".png"}}) {
    std::string error;
    if (!run_gnuplot(folder, terminal, file, script, error)) {
      warn(error);
      break;
    }
    // gnuplot ends well on a full disk, too.
    if (std::error_code missing; std::filesystem::file_size(std::filesystem::path(folder) / file, missing) == 0 || missing)
      throw Error(ErrorKind::data, folder + "/" + file + ": could not be written whole", "is the disk full?");
    files.push_back((std::filesystem::path(folder) / file).string());
  }
  return files;
}

}  // namespace millrace
