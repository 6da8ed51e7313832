// The files: eight bytes of header length, the header, the elements. The header's JSON is read in safetensors_header.cpp.
#include "train/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <set>

#include "pipeline/contract.h"
#include "pipeline/error.h"

namespace millrace::train {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr std::uint64_t kLengthBytes = 8, kMaxHeaderBytes = 100'000'000;

Error unreadable(const std::string& path, const std::string& cause, const char* hint = "") { return {ErrorKind::data, path + ": " + cause, hint}; }

void read_whole(int descriptor, std::span<std::byte> into, std::uint64_t offset, const std::string& path) {
  while (!into.empty()) {
    const ssize_t n = pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw unreadable(path, "byte " + std::to_string(offset) + ": " + std::strerror(errno));
    if (n == 0) throw unreadable(path, "byte " + std::to_string(offset) + ": the file ends here; it was longer when it was opened");
    into = into.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

std::string quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string header_of(std::span<const TensorView> tensors, const std::vector<std::size_t>& order, const Metadata& metadata) {
  std::string out = "{";
  const auto comma = [&] {
    if (out.size() > 1) out += ',';
  };
  if (!metadata.empty()) {
    out += "\"__metadata__\":{";
    for (auto it = metadata.begin(); it != metadata.end(); ++it) {
      if (it != metadata.begin()) out += ',';
      out += quoted(it->first) + ':' + quoted(it->second);
    }
    out += '}';
  }
  std::uint64_t offset = 0;
  for (const std::size_t i : order) {
    const TensorView& t = tensors[i];
    comma();
    out += quoted(t.name) + ":{\"dtype\":\"";
    out += name_of(t.type);
    out += "\",\"shape\":[";
    for (std::size_t d = 0; d < t.shape.size(); ++d) {
      if (d) out += ',';
      out += std::to_string(t.shape[d]);
    }
    out += "],\"data_offsets\":[" + std::to_string(offset) + ',' + std::to_string(offset + t.bytes.size()) + "]}";
    offset += t.bytes.size();
  }
  out += '}';
  out.resize((out.size() + 7) / 8 * 8, ' '); // The elements begin at a multiple of eight.
  return out;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw unreadable(path, std::string("cannot be opened: ") + std::strerror(errno));
  try {
    struct stat status {};
    if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) throw unreadable(path, "not a regular file");
    const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
    if (file_bytes < kLengthBytes) throw unreadable(path, "not a safetensors file: " + std::to_string(file_bytes) + " bytes");
    std::uint64_t length = 0;
    read_whole(descriptor_, std::as_writable_bytes(std::span(&length, 1)), 0, path);
    if (length > kMaxHeaderBytes || length > file_bytes - kLengthBytes)
      throw unreadable(path, "byte 0: a header of " + std::to_string(length) + " bytes is " +
                                 (length > kMaxHeaderBytes ? "over the limit of 100 MB" : "longer than the file"),
                       "is it a safetensors file, and whole?");
    std::string text(length, '\0');
    read_whole(descriptor_, std::as_writable_bytes(std::span(text)), kLengthBytes, path);
    header_ = parse_safetensors_header(text, file_bytes, path);
  } catch (...) {
    close(descriptor_);
    throw;
  }
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) by_name_.emplace(header_.tensors[i].name, i);
}

SafetensorsFile::~SafetensorsFile() { close(descriptor_); }

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &header_.tensors[it->second];
}

void SafetensorsFile::read(const TensorEntry& tensor, std::span<std::byte> into) const {
  contract(into.size() == tensor.bytes, "the memory for a tensor has its length");
  read_whole(descriptor_, into, tensor.offset_bytes, path_);
}

void write_safetensors(std::span<const TensorView> tensors, const Metadata& metadata,
                       const std::function<void(std::span<const std::byte>)>& sink) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const std::size_t wide_a = bytes_of(tensors[a].type), wide_b = bytes_of(tensors[b].type);
    return wide_a != wide_b ? wide_a > wide_b : tensors[a].name < tensors[b].name;
  });
  std::set<std::string_view> names;
  for (const TensorView& t : tensors) {
    std::uint64_t bytes = bytes_of(t.type);
    for (const std::uint64_t side : t.shape) bytes *= side;
    contract(bytes == t.bytes.size() && t.name != "__metadata__", "a tensor's bytes are those of its shape and type");
    contract(names.insert(t.name).second, "tensors of one file have different names");
  }
  const std::string header = header_of(tensors, order, metadata);
  const std::uint64_t length = header.size();
  sink(std::as_bytes(std::span(&length, 1)));
  sink(std::as_bytes(std::span(header)));
  for (const std::size_t i : order)
    if (!tensors[i].bytes.empty()) sink(tensors[i].bytes);
}

void write_safetensors(std::span<const TensorView> tensors, const Metadata& metadata, const std::string& path) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const auto failed = [&] { return Error(ErrorKind::usage, path + ": cannot be written: " + std::strerror(errno), "is the disk full, the folder there?"); };
  if (descriptor < 0) throw failed();
  try {
    write_safetensors(tensors, metadata, [&](std::span<const std::byte> piece) {
      while (!piece.empty()) {
        const ssize_t n = write(descriptor, piece.data(), piece.size());
        if (n < 0 && errno != EINTR) throw failed();
        if (n > 0) piece = piece.subspan(static_cast<std::size_t>(n));
      }
    });
  } catch (...) {
    close(descriptor);
    throw;
  }
  if (close(descriptor) != 0) throw failed();
}

}  // namespace millrace::train
