#define XXH_INLINE_ALL
#include "datasets/folder_scan.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <xxhash.h>

#include "pipeline/formats/file_format.h"

namespace millrace {
namespace {

constexpr int kMaxDepth = 64;

struct CloseDirectory {
  void operator()(DIR* d) const { ::closedir(d); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;
using FileId = std::pair<dev_t, ino_t>;

struct Listed {
  std::vector<std::string> folders, files;
};

/// What a folder holds, links followed. `seen_as` becomes the folder's own identity.
Listed list(const std::filesystem::path& path, FileId& seen_as) {
  const Directory directory(::opendir(path.c_str()));
  if (!directory) {
    const int why = errno;
    throw data_error(path, "the folder cannot be read: " + system_message(why),
                     why == EACCES ? "give read and search permission (chmod u+rx)" : why == ENOTDIR ? "name a folder, not a file" : "check the path");
  }
  struct stat status {};
  if (::fstat(::dirfd(directory.get()), &status) == 0) seen_as = {status.st_dev, status.st_ino};
  Listed listed;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (!entry) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool folder = entry->d_type == DT_DIR;
    if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) {
      folder = ::fstatat(::dirfd(directory.get()), name.c_str(), &status, 0) == 0 && S_ISDIR(status.st_mode);
    }
    (folder ? listed.folders : listed.files).push_back(name);
  }
  if (errno != 0) throw data_error(path, "the folder cannot be read: " + system_message(errno), "check the disk");
  std::ranges::sort(listed.folders);
  std::ranges::sort(listed.files);
  return listed;
}

/// What a file is that no decoder reads, by its first bytes; empty: one does, or reading will say why it cannot be opened.
std::string unreadable_format(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return {};
  std::array<std::uint8_t, kFormatBytes> bytes{};
  const ssize_t got = ::pread(file, bytes.data(), bytes.size(), 0);
  ::close(file);
  if (got <= 0) return {};
  const FileFormat format = file_format({bytes.data(), static_cast<std::size_t>(got)});
  if (format.decoder != ImageFormat::none) return {};
  return format.name.empty() ? "no picture of a known format" : format.name;
}

/// Names that promise what is not read: then the file itself is asked. All others would take too long.
bool is_doubtful(std::string_view name) {
  const std::string_view file = name.substr(name.rfind('/') + 1);
  return !is_decoded_ending(file) || file.starts_with("._");  // macOS keeps attributes of cat.jpg in ._cat.jpg.
}

std::string counts_text(const std::map<std::string, std::uint64_t>& counts) {
  std::string text;
  for (const auto& [what, count] : counts) text += (text.empty() ? "" : ", ") + what + ": " + std::to_string(count);
  return text;
}

/// One class: its folders with their pictures, to be sorted by the folder's path.
class ClassScan {
 public:
  ClassScan(const std::filesystem::path& root, FileId root_id, FolderListing& listing) : root_(root), listing_(listing), entered_{root_id} {}

  void walk(const std::string& relative, int depth) {
    if (depth > kMaxDepth) throw data_error(root_ / relative, "folders are nested deeper than " + std::to_string(kMaxDepth), "flatten the class folder");
    struct stat status {};
    // Examined before it is listed, so that what was entered already is not read again.
    if (::stat((root_ / relative).c_str(), &status) == 0 && !entered_.insert({status.st_dev, status.st_ino}).second) return;
    FileId ignored;
    Listed listed = list(root_ / relative, ignored);
    std::erase_if(listed.files, [&](const std::string& name) { return pass_over(relative, name); });
    folders_.emplace_back(relative, std::move(listed.files));
    for (const std::string& name : listed.folders) walk(relative + "/" + name, depth + 1);
  }

  /// Appends the class's samples to the listing; returns how many.
  std::uint64_t append(std::uint32_t label, XXH3_state_t& hash) {
    std::ranges::sort(folders_, {}, &std::pair<std::string, std::vector<std::string>>::first);
    std::uint64_t count = 0;
    for (const auto& [folder, files] : folders_) {
      for (const std::string& file : files) {
        append_sample(folder + "/" + file, label, hash);
        ++count;
      }
    }
    return count;
  }

 private:
  bool pass_over(const std::string& folder, const std::string& name) {
    if (is_picture_name(name)) return false;
    if (listing_.passed_over++ == 0) listing_.first_passed_over = folder + "/" + name;
    if (const std::string_view ending = other_picture_ending(name); !ending.empty()) ++listing_.other_pictures[std::string(ending)];
    return true;
  }
  void append_sample(const std::string& name, std::uint32_t label, XXH3_state_t& hash) {
    struct stat status {};
    const bool found = ::stat((root_ / name).c_str(), &status) == 0;
    const std::uint64_t size = found ? static_cast<std::uint64_t>(status.st_size) : ~std::uint64_t{0};
    XXH3_64bits_update(&hash, name.c_str(), name.size() + 1);
    XXH3_64bits_update(&hash, &size, sizeof(size));
    listing_.begins.push_back(listing_.names.size());
    listing_.names.insert(listing_.names.end(), name.c_str(), name.c_str() + name.size() + 1);
    listing_.labels.push_back(label);
    if (!is_doubtful(name)) return;
    const std::string format = unreadable_format(root_ / name);
    if (format.empty()) return;
    if (listing_.unreadable.empty()) listing_.first_unreadable = name;
    ++listing_.unreadable[format];
  }

  const std::filesystem::path& root_;
  FolderListing& listing_;
  std::set<FileId> entered_;
  std::vector<std::pair<std::string, std::vector<std::string>>> folders_;
};

}  // namespace

bool is_picture_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kEndings = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::any_of(kEndings, [&](std::string_view ending) {
    return name.size() >= ending.size() && std::ranges::equal(name.substr(name.size() - ending.size()), ending, {}, lower);
  });
}

std::string unreadable_text(const FolderListing& listing) {
  std::uint64_t count = 0;
  for (const auto& [format, files] : listing.unreadable) count += files;
  if (count == 0) return {};
  return std::to_string(count) + (count == 1 ? " file" : " files") + " cannot be read (" + counts_text(listing.unreadable) + "; the first is " + listing.first_unreadable + ")";
}

std::string passed_over_text(const FolderListing& listing) {
  if (listing.passed_over == 0) return {};
  const bool one = listing.passed_over == 1;
  std::string text = std::to_string(listing.passed_over) + (one ? " file" : " files") + " without a picture's ending " + (one ? "was" : "were") + " passed over, the first is " + listing.first_passed_over;
  if (!listing.other_pictures.empty()) text += "; among them pictures of formats that are not read (" + counts_text(listing.other_pictures) + ")";
  return text;
}

FolderListing scan_folder(const std::filesystem::path& folder) {
  FolderListing listing;
  FileId root_id;
  Listed top = list(folder, root_id);
  if (top.folders.empty()) throw data_error(folder, "no class folder is there", "put each class's pictures into a folder of its own, and name the one above");
  listing.classes = std::move(top.folders);
  XXH3_state_t hash;
  XXH3_64bits_reset(&hash);
  for (std::uint32_t label = 0; label < listing.classes.size(); ++label) {
    const std::string& name = listing.classes[label];
    ClassScan scan(folder, root_id, listing);
    scan.walk(name, 1);
    if (scan.append(label, hash) == 0) {
      throw data_error(folder / name, "the class folder holds no picture (.jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp)", "add pictures, or remove the folder");
    }
  }
  listing.fingerprint = XXH3_64bits_digest(&hash);
  listing.names.shrink_to_fit();
  listing.begins.shrink_to_fit();
  listing.labels.shrink_to_fit();
  return listing;
}

}  // namespace millrace
