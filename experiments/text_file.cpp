#include "experiments/text_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "pipeline/error.h"

namespace millrace {

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(ErrorKind::data, folder + ": " + error.message(), "name a folder that can be made with --out");
}

std::string line_of(const Json& record) { return record.dump(-1, ' ', false, Json::error_handler_t::replace); }

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
