#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "datasets/folder.h"

namespace millrace {

/// The samples of a folder, in order; names lie one behind the other, so that a million of them are three allocations.
struct FolderListing {
  std::vector<std::string> classes;
  std::vector<char> names;              ///< Paths relative to the folder, each ended by a zero.
  std::vector<std::uint64_t> begins;    ///< Of each sample's name in `names`.
  std::vector<std::uint32_t> labels;
  std::vector<std::uint64_t> class_sizes;
  std::uint64_t fingerprint = 0;        ///< XXH3 over names and sizes.
  std::uint64_t passed_over = 0;        ///< Files without an ending of ImageFolder's.
  std::string first_passed_over;
  std::uint64_t folders_passed_over = 0;  ///< Hidden ones, and others that programs make for themselves.
  std::string first_folder_passed_over;
  std::uint64_t cycles = 0;             ///< Links to a folder above them, not followed.
  std::string first_cycle;
  std::map<std::string, std::uint64_t> other_pictures;  ///< Of those, pictures of other formats, by ending (".heic").
  std::map<std::string, std::uint64_t> unreadable;      ///< Samples that no decoder reads, by what they are ("a TIFF file").
  std::string first_unreadable;

  const char* name(std::uint64_t index) const { return names.data() + begins[index]; }
};

/// Lists and sorts; see open_folder for the rules and errors.
FolderListing scan_folder(const std::filesystem::path& folder, bool empty_classes = false);

/// Whether programs make folders of this name for themselves: hidden ones, thumbnails, what unpacking leaves.
bool is_folder_of_programs(std::string_view name);

/// By its ending: ImageFolder's list, which has more than is decoded.
bool is_picture_name(std::string_view name);

/// "2 files cannot be read (a PGM file: 1, a TIFF file: 1; the first is a/7.tif)"; empty: no such file was found.
std::string unreadable_text(const FolderListing& listing);
/// "4 files without a picture's ending were passed over, ..."; empty: none was.
std::string passed_over_text(const FolderListing& listing);

}  // namespace millrace
