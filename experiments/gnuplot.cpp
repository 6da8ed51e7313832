#include "experiments/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <utility>

#include "experiments/text_file.h"
#include "pipeline/error.h"

extern char** environ;

namespace millrace {
namespace {

/// The ends of a pipe, closed with it.
struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == 0) read = ends[0], write = ends[1];
  }
  ~Pipe() {
    close_write();
    if (read >= 0) ::close(read);
  }
  void close_write() {
    if (write >= 0) ::close(std::exchange(write, -1));
  }
  /// Until the last writer is gone; of much text the beginning.
  std::string text() {
    constexpr std::size_t kMost = 4096;
    std::string out;
    char some[512];
    for (ssize_t n; (n = ::read(read, some, sizeof some)) > 0 || (n < 0 && errno == EINTR);)
      if (n > 0 && out.size() < kMost) out.append(some, std::size_t(n));
    return out;
  }
};

/// "line 10: ..." of what gnuplot wrote: its last line that says something.
std::string complaint(const std::string& text) {
  std::istringstream lines(text);
  std::string line, last;
  while (std::getline(lines, line))
    if (line.find_first_not_of(" \t^") != std::string::npos) last = line;
  const std::size_t begin = last.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : last.substr(begin);
}

/// What gnuplot writes to stderr is no matter of the user's terminal: remarks are dropped, an error becomes a part of ours.
bool run_gnuplot(const std::string& folder, const std::string& terminal, const std::string& file, const std::string& script_name,
                 std::string& error) {
  const std::string setup = "set terminal " + terminal + "; set output '" + file + "'";
  std::string program = "gnuplot", flag = "-e", script = script_name, set = setup;
  char* arguments[] = {program.data(), flag.data(), set.data(), script.data(), nullptr};
  Pipe words;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  if (words.write >= 0) posix_spawn_file_actions_adddup2(&actions, words.write, STDERR_FILENO);
  pid_t child = 0;
  const int failure = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  words.close_write();
  int status = 0;
  const std::string said = failure == 0 && words.read >= 0 ? words.text() : "";
  while (failure == 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (failure == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  const std::string cause = complaint(said);
  error = failure == ENOENT || (WIFEXITED(status) && WEXITSTATUS(status) == 127)
              ? "gnuplot is not installed (apt-get install gnuplot-nox): no plot"
              : "gnuplot failed on " + folder + "/" + script_name + (cause.empty() ? "" : ": " + cause);
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
