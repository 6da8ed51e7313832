#include "datasets/idx.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "datasets/gzip.h"
#include "datasets/raw_set.h"

namespace millrace {
namespace {

constexpr std::uint32_t kLabelsMagic = 0x801, kImagesMagic = 0x803;  // 8: uint8; the last byte: how many dimensions.
constexpr std::uint64_t kMaxSide = 65'535, kMaxBytes = std::uint64_t{4} << 30;
constexpr std::uint64_t kMaxDeflateRatio = 1032;
constexpr const char* kFetchAgain = "fetch the file again";

/// The unpacked bytes of a plain or gzip file, in order.
class ByteReader {
 public:
  explicit ByteReader(const File& file) : file_(file) {
    if (is_gzip(file)) gzip_.emplace(file);
  }
  bool packed() const { return gzip_.has_value(); }
  const File& file() const { return file_; }
  std::uint64_t position() const { return position_; }
  std::size_t read_some(std::span<std::uint8_t> out) {
    const std::size_t got = gzip_ ? gzip_->read_some(out) : file_.read_some(position_, out);
    position_ += got;
    return got;
  }

 private:
  const File& file_;
  std::optional<GzipReader> gzip_;
  std::uint64_t position_ = 0;
};

std::string where(const ByteReader& reader) { return reader.packed() ? " (unpacked)" : ""; }

void read_exactly(ByteReader& reader, std::span<std::uint8_t> out, const std::string& what) {
  const std::uint64_t begin = reader.position();
  const std::size_t got = reader.read_some(out);
  if (got < out.size()) {
    throw data_error(reader.file().path(), begin + got, "the file ends" + where(reader) + ", " + what + " should go on for " +
                     std::to_string(out.size() - got) + " bytes", "the file is truncated: fetch it again");
  }
}

std::uint32_t big_endian(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

std::string hex32(std::uint32_t value) { return "0x" + hex64(value).substr(8); }

/// What one IDX file holds.
struct IdxFile {
  std::array<std::uint32_t, 3> dims{1, 1, 1};
  SetMemory payload;
};

/// The product of the dimensions, within bounds.
std::uint64_t payload_bytes(const File& file, std::span<const std::uint32_t> dims) {
  if (dims[0] == 0) throw data_error(file.path(), 4, "the file declares no entries", kFetchAgain);
  std::uint64_t bytes = dims[0];
  for (std::size_t i = 1; i < dims.size(); ++i) {
    if (dims[i] == 0 || dims[i] > kMaxSide) {
      throw data_error(file.path(), 4 + 4 * i, "declares pictures with a side of " + std::to_string(dims[i]) + " pixels", "sides are 1 to 65535: fetch the file again");
    }
    bytes *= dims[i];  // At most 2^32 * 2^16 here, and checked before it grows by another 2^16.
    if (bytes > kMaxBytes) throw data_error(file.path(), 4, "declares more than 4 GiB", "fetch the file again, or use a folder of pictures");
  }
  return bytes;
}

/// Refuses, before memory is asked for, a file that cannot hold what its header declares.
void check_file_size(const ByteReader& reader, std::uint64_t header, std::uint64_t payload) {
  const File& file = reader.file();
  const std::uint64_t declared = header + payload, size = file.size_bytes();
  const std::string cause = "has " + std::to_string(size) + " bytes, its header declares " + std::to_string(declared);
  if (reader.packed()) {
    if (size * kMaxDeflateRatio + 1024 < declared) throw data_error(file.path(), cause + ", more than gzip can pack into it", "the file is truncated: fetch it again");
  } else if (size < declared) {
    throw data_error(file.path(), size, "the file is truncated: it " + cause, kFetchAgain);
  } else if (size > declared) {
    throw data_error(file.path(), declared, "the file is too long: it " + cause, kFetchAgain);
  }
}

/// The labels that a file of pictures belongs to.
struct Labels {
  const std::filesystem::path& path;
  std::uint32_t count;
};

/// With `labels`, a count that differs is found before the pictures are held.
IdxFile read_idx(const std::filesystem::path& path, std::uint32_t magic, const KnownFile* known, const IdxOptions& options,
                 const Labels* labels = nullptr) {
  const File file(path);
  ByteReader reader(file);
  const std::size_t count = magic & 255;
  std::array<std::uint8_t, 16> header{};
  const auto head = std::span(header).first(4 + 4 * count);
  read_exactly(reader, head, "the header");
  if (const std::uint32_t found = big_endian(header.data()); found != magic) {
    const char* kind = magic == kImagesMagic ? "pictures" : "labels";
    throw data_error(path, 0, "wrong magic " + hex32(found) + ", IDX files of " + kind + " begin with " + hex32(magic), "put the set's own file there");
  }
  IdxFile idx;
  for (std::size_t i = 0; i < count; ++i) idx.dims[i] = big_endian(header.data() + 4 + 4 * i);
  const std::uint64_t bytes = payload_bytes(file, std::span(idx.dims).first(count));
  check_file_size(reader, head.size(), bytes);
  if (labels && idx.dims[0] != labels->count) {
    throw data_error(path, 4, "declares " + std::to_string(idx.dims[0]) + " pictures, but " + labels->path.string() + " " + std::to_string(labels->count) + " labels",
                     "the two files are not of one set: fetch both again");
  }
  idx.payload = SetMemory(bytes);
  read_exactly(reader, idx.payload.span(), "the data");
  std::uint8_t surplus = 0;
  if (reader.read_some({&surplus, 1}) != 0) {
    throw data_error(path, head.size() + bytes, "the file is too long" + where(reader) + ": its header declares " + std::to_string(head.size() + bytes) + " bytes", kFetchAgain);
  }
  if (known && options.verify != Verify::off) {
    Checksum checksum(Checksum::Kind::sha256);
    checksum.add(head);
    checksum.add(idx.payload.span());
    if (const std::string sum = checksum.finish(); sum != known->sha256) {
      report_unpublished(path, "not the published file of " + options.name + ": SHA-256 " + sum + ", expected " + std::string(known->sha256), options.verify, options.warn);
    }
  }
  return idx;
}

struct Located {
  std::filesystem::path path;
  const KnownFile* known = nullptr;
};

/// The names that a file may have, the usual one first. `kind` is "images-idx3" or "labels-idx1".
std::vector<std::string> names_of(const IdxOptions& options, std::string kind) {
  std::string dotted = kind;
  dotted[dotted.find('-')] = '.';
  const std::string prefix = options.files.empty() ? "" : options.files + "-";
  std::vector<std::string> out;
  for (const std::string packed : {"", ".gz"})
    for (const std::string part : {options.split == Split::train ? "train-" : "t10k-", options.split == Split::train ? "" : "test-"})
      for (const std::string& form : {kind, dotted})
        if (!part.empty()) out.push_back(prefix + part + form + "-ubyte" + packed);
  return out;
}

Located locate(const IdxOptions& options, const std::string& kind) {
  const std::vector<std::string> names = names_of(options, kind);
  std::vector<std::filesystem::path> folders{options.folder, options.folder / "raw"};
  if (options.name == "mnist") folders.push_back(options.folder / "MNIST" / "raw");
  if (options.name == "fashion-mnist") folders.push_back(options.folder / "FashionMNIST" / "raw");
  std::error_code error;
  for (const auto& folder : folders)
    for (const std::string& name : names) {
      const auto status = std::filesystem::status(folder / name, error);
      // A file that is there but cannot be examined is opened all the same: that says why.
      if (status.type() != std::filesystem::file_type::not_found) return {folder / name, find_known(options.name, names.front())};
    }
  throw data_error(options.folder, "neither " + names[0] + " nor " + names[1] + " is there, plain or .gz", "put the files of " + options.name + " there, or name their folder in data.path");
}

std::vector<std::string> classes_of(const IdxOptions& options, std::span<const std::uint8_t> labels) {
  if (!options.classes.empty()) return options.classes;
  if (options.count_classes) {
    std::vector<std::string> out;
    for (int label = options.first_label; label <= std::max<int>(options.first_label, *std::ranges::max_element(labels)); ++label) out.push_back(std::to_string(label));
    return out;
  }
  if (options.name != "fashion-mnist") return numbered_classes(10);
  return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
}

/// The labels as numbers of classes, from 0.
std::vector<std::uint8_t> numbered(const std::filesystem::path& path, std::span<const std::uint8_t> labels, std::size_t classes, const IdxOptions& options) {
  const int first = options.first_label;
  const auto fits = [&](std::uint8_t label) { return label >= first && static_cast<std::size_t>(label - first) < classes; };
  const auto bad = std::ranges::find_if_not(labels, fits);
  if (bad != labels.end()) {
    const bool published = options.classes.empty() && !options.count_classes;
    throw data_error(path, static_cast<std::uint64_t>(8 + (bad - labels.begin())), "label " + std::to_string(*bad) + " is out of range, the set has " +
                     std::to_string(classes) + " classes" + (first ? " from label " + std::to_string(first) + " on" : ""),
                     published ? "fetch the file again; a set of your own is data.name = \"idx\", with any number of classes"
                               : "name as many data.classes as there are labels, and the label of the first in data.first_label");
  }
  std::vector<std::uint8_t> out;
  for (const std::uint8_t label : labels) out.push_back(static_cast<std::uint8_t>(label - first));
  return out;
}

}  // namespace

std::unique_ptr<Source> open_idx(const IdxOptions& options) {
  const Located images_file = locate(options, "images-idx3"), labels_file = locate(options, "labels-idx1");
  const IdxFile labels = read_idx(labels_file.path, kLabelsMagic, labels_file.known, options);
  const Labels of_labels{labels_file.path, labels.dims[0]};
  IdxFile images = read_idx(images_file.path, kImagesMagic, images_file.known, options, &of_labels);
  const auto span = labels.payload.span();
  RawSet set{.name = options.name, .classes = classes_of(options, span), .size = {static_cast<int>(images.dims[2]), static_cast<int>(images.dims[1])}, .channels = 1};
  set.path = options.folder.string();
  set.labels = numbered(labels_file.path, span, set.classes.size(), options);
  set.pixels = std::move(images.payload);
  return make_raw_source(std::move(set));
}

}  // namespace millrace
