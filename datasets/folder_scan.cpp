#define XXH_INLINE_ALL
#include "datasets/folder_scan.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <xxhash.h>

#include "pipeline/formats/file_format.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::uint64_t kMaxLinks = 1 << 16;  // Followed: those that lead to one another's folders multiply.
constexpr const char* kEndingsText = "(.jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp)";

struct CloseDirectory {
  void operator()(DIR* d) const { ::closedir(d); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

struct Listed {
  struct Folder {
    std::string name;
    bool link = false;
    auto operator<=>(const Folder&) const = default;
  };
  std::vector<Folder> folders;
  std::vector<std::string> files;
};

/// What a folder holds, links followed.
Listed list(const std::filesystem::path& path) {
  const Directory directory(::opendir(path.c_str()));
  if (!directory) {
    const int why = errno;
    throw data_error(path, "the folder cannot be read: " + system_message(why),
                     why == EACCES ? "give read and search permission (chmod u+rx)" : why == ENOTDIR ? "name a folder, not a file" : "check the path");
  }
  Listed listed;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (!entry) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool folder = entry->d_type == DT_DIR, link = entry->d_type == DT_LNK;
    struct stat status {};
    const auto examine = [&](int flags) { return ::fstatat(::dirfd(directory.get()), name.c_str(), &status, flags) == 0; };
    if (entry->d_type == DT_UNKNOWN) link = examine(AT_SYMLINK_NOFOLLOW) && S_ISLNK(status.st_mode);
    if (link || entry->d_type == DT_UNKNOWN) folder = examine(0) && S_ISDIR(status.st_mode);
    if (folder) listed.folders.push_back({name, link});
    else listed.files.push_back(name);
  }
  if (errno != 0) throw data_error(path, "the folder cannot be read: " + system_message(errno), "check the disk");
  std::ranges::sort(listed.folders);
  std::ranges::sort(listed.files);
  return listed;
}

/// The folder's path without links. Identity is asked of paths: inode numbers are alike on file systems that unite or invent them.
std::filesystem::path resolved(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path out = std::filesystem::canonical(path, error);
  if (error) throw data_error(path, "the folder cannot be read: " + error.message(), "check the path");
  return out;
}

void count(std::uint64_t& number, std::string& first, const std::string& name) {
  if (number++ == 0) first = name;
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
  /// `links`: to folders, followed so far in all classes.
  ClassScan(const std::filesystem::path& root, FolderListing& listing, std::uint64_t& links) : root_(root), listing_(listing), links_(links) {}

  /// `above`: the resolved paths of the folders on the way here, the root's first.
  void walk(const std::string& relative, std::vector<std::filesystem::path>& above, const Listed::Folder& folder) {
    if (above.size() > kMaxDepth) throw data_error(root_ / relative, "folders are nested deeper than " + std::to_string(kMaxDepth), "flatten the class folder");
    if (folder.link && links_++ == kMaxLinks)
      throw data_error(root_, "more than " + std::to_string(kMaxLinks) + " links to folders are met in it", "links among linked folders multiply: remove some");
    const std::filesystem::path here = folder.link ? resolved(root_ / relative) : above.back() / folder.name;
    if (folder.link && std::ranges::find(above, here) != above.end()) return count(listing_.cycles, listing_.first_cycle, relative);
    Listed listed = list(root_ / relative);
    std::erase_if(listed.files, [&](const std::string& name) { return pass_over(relative, name); });
    folders_.emplace_back(relative, std::move(listed.files));
    above.push_back(here);
    for (const Listed::Folder& inner : listed.folders) {
      const std::string name = relative + "/" + inner.name;
      if (is_folder_of_programs(inner.name)) count(listing_.folders_passed_over, listing_.first_folder_passed_over, name);
      else walk(name, above, inner);
    }
    above.pop_back();
  }

  /// Appends the class's samples to the listing; returns how many.
  std::uint64_t append(std::uint32_t label, XXH3_state_t& hash) {
    std::ranges::sort(folders_, {}, &std::pair<std::string, std::vector<std::string>>::first);
    std::uint64_t samples = 0;
    for (const auto& [folder, files] : folders_) {
      for (const std::string& file : files) {
        append_sample(folder + "/" + file, label, hash);
        ++samples;
      }
    }
    return samples;
  }

 private:
  bool pass_over(const std::string& folder, const std::string& name) {
    if (is_picture_name(name)) return false;
    count(listing_.passed_over, listing_.first_passed_over, folder + "/" + name);
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
  std::uint64_t& links_;
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

bool is_folder_of_programs(std::string_view name) { return name.starts_with('.') || name == "@eaDir" || name == "__MACOSX" || name == "lost+found"; }

std::string unreadable_text(const FolderListing& listing) {
  std::uint64_t files = 0;
  for (const auto& [format, number] : listing.unreadable) files += number;
  if (files == 0) return {};
  return std::to_string(files) + (files == 1 ? " file" : " files") + " cannot be read (" + counts_text(listing.unreadable) + "; the first is " + listing.first_unreadable + ")";
}

std::string passed_over_text(const FolderListing& listing) {
  if (listing.passed_over == 0) return {};
  const bool one = listing.passed_over == 1;
  std::string text = std::to_string(listing.passed_over) + (one ? " file" : " files") + " without a picture's ending " + (one ? "was" : "were") + " passed over, the first is " + listing.first_passed_over;
  if (!listing.other_pictures.empty()) text += "; among them pictures of formats that are not read (" + counts_text(listing.other_pictures) + ")";
  return text;
}

FolderListing scan_folder(const std::filesystem::path& folder, bool empty_classes) {
  FolderListing listing;
  Listed top = list(folder);
  std::erase_if(top.folders, [&](const Listed::Folder& inner) {
    const bool pass = is_folder_of_programs(inner.name);
    if (pass) count(listing.folders_passed_over, listing.first_folder_passed_over, inner.name);
    return pass;
  });
  const std::string but = listing.folders_passed_over ? " (" + listing.first_folder_passed_over + " is none)" : "";
  if (top.folders.empty()) throw data_error(folder, "no class folder is there" + but, "put each class's pictures into a folder of its own, and name the one above");
  XXH3_state_t hash;
  XXH3_64bits_reset(&hash);
  std::vector<std::filesystem::path> above{resolved(folder)};
  std::uint64_t links = 0;
  for (const Listed::Folder& inner : top.folders) {
    ClassScan scan(folder, listing, links);
    scan.walk(inner.name, above, inner);
    const std::uint64_t samples = scan.append(static_cast<std::uint32_t>(listing.classes.size()), hash);
    if (samples == 0 && !empty_classes) throw data_error(folder / inner.name, std::string("the class folder holds no picture ") + kEndingsText, "add pictures, or remove the folder");
    listing.classes.push_back(inner.name);
    listing.class_sizes.push_back(samples);
  }
  if (listing.labels.empty()) throw data_error(folder, std::string("no class folder holds a picture ") + kEndingsText, "add pictures");
  listing.fingerprint = XXH3_64bits_digest(&hash);
  listing.names.shrink_to_fit();
  listing.begins.shrink_to_fit();
  listing.labels.shrink_to_fit();
  return listing;
}

}  // namespace millrace
