#include "experiments/text_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "pipeline/error.h"

namespace millrace {

void write_text(const std::string& path, const std::string& text) {
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();  // Sets the stream's state where the last bytes do not fit.
  if (out) return;
  throw Error(ErrorKind::data, path + ": could not be written whole" + (errno ? ": " + std::string(std::strerror(errno)) : ""),
              "is the disk full, or the folder read-only?");
}

}  // namespace millrace
