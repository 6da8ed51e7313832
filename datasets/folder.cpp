#include "datasets/folder.h"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "datasets/folder_scan.h"
#include "datasets/raw_set.h"

namespace millrace {
namespace {

struct Descriptor {
  explicit Descriptor(int d) : value(d) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  const int value;
};

class FolderSource final : public Source {
 public:
  FolderSource(const FolderOptions& options, FolderListing listing)
      : folder_(options.folder), max_file_bytes_(options.max_file_bytes),
        // O_PATH: names are resolved from here on, whatever becomes of the working directory.
        root_(::open(options.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), listing_(std::move(listing)) {
    if (root_.value < 0) throw data_error(folder_, "the folder cannot be opened: " + system_message(errno), "check the path");
    info_ = {.name = "folder", .classes = std::move(listing_.classes), .raw_size = {}, .channels = 3, .fingerprint = hex64(listing_.fingerprint), .path = folder_.string(), .class_sizes = std::move(listing_.class_sizes)};
    if (const std::string text = unreadable_text(listing_); !text.empty()) info_.unreadable = folder_.string() + ": " + text;
  }

  const SourceInfo& info() const override { return info_; }
  std::uint64_t size() const override { return listing_.labels.size(); }
  std::string origin(std::uint64_t index) const override { return (folder_ / listing_.name(index)).string(); }

  Expected<Sample> read(std::uint64_t index, Buffer& scratch) const override { return read(index, scratch, max_file_bytes_); }
  Expected<Sample> read_head(std::uint64_t index, Buffer& scratch, std::uint64_t most) const override { return read(index, scratch, most); }

 private:
  /// The whole file where it has no more than `most` bytes; of a larger one as many.
  Expected<Sample> read(std::uint64_t index, Buffer& scratch, std::uint64_t most) const {
    if (index >= size()) {
      return tl::unexpected(Fault{.kind = FaultKind::missing, .index = index, .origin = folder_.string(), .detail = "beyond the end of the set"});
    }
    // O_NONBLOCK: opening a named pipe would otherwise wait for its writer.
    const Descriptor file(::openat(root_.value, listing_.name(index), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.value < 0) return fault(index, FaultKind::missing, 0, "cannot be opened: " + system_message(errno));
    struct stat status {};
    if (::fstat(file.value, &status) != 0) return fault(index, FaultKind::missing, 0, "cannot be examined: " + system_message(errno));
    if (!S_ISREG(status.st_mode)) return fault(index, FaultKind::missing, 0, "is not a regular file");
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size == 0) return fault(index, FaultKind::truncated, 0, "the file is empty");
    if (size > max_file_bytes_) {
      return fault(index, FaultKind::too_large, 0, "has " + std::to_string(size) + " bytes, the limit is " + std::to_string(max_file_bytes_) + " (data.max_file_size)");
    }
    return size <= most ? fill(index, file, size, scratch) : fill_head(index, file, most, scratch);
  }

  tl::unexpected<Fault> fault(std::uint64_t index, FaultKind kind, std::uint64_t offset, std::string detail) const {
    return tl::unexpected(Fault{.kind = kind, .index = index, .origin = origin(index), .offset_bytes = offset, .detail = std::move(detail)});
  }

  Sample sample_of(std::uint64_t index, const std::uint8_t* bytes, std::uint64_t size) const {
    Sample sample;
    sample.bytes = {bytes, size};
    sample.label = listing_.labels[index];
    return sample;
  }

  Expected<Sample> fill(std::uint64_t index, const Descriptor& file, std::uint64_t size, Buffer& scratch) const {
    // One byte more is asked for than the file should have, so that one call both reads it and shows that it did not grow.
    std::uint8_t* bytes = scratch.reserve(size + 1);
    std::uint64_t done = 0;
    while (done <= size) {
      const ssize_t got = ::pread(file.value, bytes + done, size + 1 - done, static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fault(index, FaultKind::corrupt, done, "cannot be read: " + system_message(errno));
      done += static_cast<std::uint64_t>(got);
      if (got == 0 || done == size) break;  // A regular file gives less than was asked for only at its end.
    }
    if (done < size) return fault(index, FaultKind::truncated, done, "the file shrank while it was read");
    if (done > size) return fault(index, FaultKind::corrupt, size, "the file grew while it was read");
    return sample_of(index, bytes, size);
  }

  Expected<Sample> fill_head(std::uint64_t index, const Descriptor& file, std::uint64_t most, Buffer& scratch) const {
    std::uint8_t* bytes = scratch.reserve(most);
    const ssize_t got = ::pread(file.value, bytes, most, 0);
    if (got < 0) return fault(index, FaultKind::corrupt, 0, "cannot be read: " + system_message(errno));
    return sample_of(index, bytes, static_cast<std::uint64_t>(got));
  }

  std::filesystem::path folder_;
  std::uint64_t max_file_bytes_;
  Descriptor root_;
  FolderListing listing_;
  SourceInfo info_;
};

}  // namespace

std::unique_ptr<Source> open_folder(const FolderOptions& options) {
  FolderListing listing = scan_folder(options.folder, options.empty_classes);
  const auto tell = [&](std::uint64_t number, const std::string& what, const std::string& first) {
    if (number > 0 && options.warn) options.warn(options.folder.string() + ": " + std::to_string(number) + what + ", the first is " + first);
  };
  for (const std::string& text : {passed_over_text(listing), unreadable_text(listing)})
    if (!text.empty() && options.warn) options.warn(options.folder.string() + ": " + text);
  tell(listing.folders_passed_over, " folders that are hidden or made by programs were passed over", listing.first_folder_passed_over);
  tell(listing.cycles, " links to a folder that they lie in were not followed", listing.first_cycle);
  return std::make_unique<FolderSource>(options, std::move(listing));
}

}  // namespace millrace
