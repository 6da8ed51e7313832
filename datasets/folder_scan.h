#pragma once
#include <cstdint>
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
  std::uint64_t passed_over = 0;        ///< Files that are not pictures.
  std::string first_passed_over;
  std::uint64_t folders_passed_over = 0;  ///< Hidden ones, and others that programs make for themselves.
  std::string first_folder_passed_over;
  std::uint64_t cycles = 0;             ///< Links to a folder above them, not followed.
  std::string first_cycle;

  const char* name(std::uint64_t index) const { return names.data() + begins[index]; }
};

/// Lists and sorts; see open_folder for the rules and errors.
FolderListing scan_folder(const std::filesystem::path& folder, bool empty_classes = false);

/// Whether programs make folders of this name for themselves: hidden ones, thumbnails, what unpacking leaves.
bool is_folder_of_programs(std::string_view name);

/// By its ending.
bool is_picture_name(std::string_view name);

}  // namespace millrace
