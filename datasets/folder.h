#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "datasets/checksums.h"
#include "pipeline/source.h"

namespace millrace {

struct FolderOptions {
  std::filesystem::path folder;                               ///< The one whose subfolders are the classes.
  std::uint64_t max_file_bytes = std::uint64_t{256} << 20;    ///< A larger file is a fault (too_large).
  bool empty_classes = false;                                 ///< Whether a class may have no picture: in a test set, say.
  WarningSink warn;                                           ///< Called on the opening thread, once for each thing to tell.
};

/// Encoded pictures in class folders, in torchvision ImageFolder's layout and order. Classes are the names of the
/// subfolders, sorted by bytes; samples are ordered by class, then by folder, then by file name: a/z.jpg
/// comes before a/sub/b.jpg. Folders that programs make for themselves are passed over and told, at any depth: names that begin
/// with a dot (.git, .ipynb_checkpoints), @eaDir, __MACOSX, lost+found. torchvision takes them for classes. Pictures are files ending
/// in .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp, upper or lower case; others are passed over, and told in one warning with their
/// number, the first name and the formats that are not read. Not all of the nine are decoded: files whose ending says so (.tif), or
/// whose name is macOS's for attributes (._a.jpg), are looked into, and what cannot be read is told in another warning and in
/// SourceInfo::unreadable; they stay samples, so that indices are ImageFolder's.
/// Symbolic links are followed, to files and to folders, and a folder that is reached by two ways counts by each. Only one that
/// lies within itself, as resolved paths tell, is left out and told (torchvision goes on for ever). A link that leads nowhere is a
/// sample whose reading fails.
/// Permissions: a folder that cannot be listed ends the run; a file that cannot be read is that sample's fault.
/// Threads: `read` takes no lock, and allocates only where the scratch grows.
/// Owns:    the folder's descriptor, the names (their bytes plus 12 a sample).
/// Errors:  Error(data) for a missing or unreadable folder (named), no class folder, a class without a picture (with
///          empty_classes: no picture at all), folders nested deeper than 64, more than 65,536 links to follow. `read`: missing (also: not permitted, not a regular file), truncated (empty, or shrunk
///          while read), corrupt (grown while read, I/O error), too_large.
/// The fingerprint is taken of relative paths and sizes, so opening examines every file once; contents are not read.
/// Source:  torchvision 0.26 `datasets/folder.py` (layout, order, extensions).
std::unique_ptr<Source> open_folder(const FolderOptions& options);

}  // namespace millrace
