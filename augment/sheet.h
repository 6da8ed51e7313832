#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/image.h"

namespace millrace::augment {

/// One place of a contact sheet: a picture with its caption, or, where there is no picture, a text in a red field.
struct SheetCell {
  ImageView image;      ///< Grey or RGB. Empty: `text` is shown in its place. Must outlive the call that draws.
  std::string heading;  ///< One line above the picture, cut to its width.
  std::string text;     ///< Below it, wrapped: or, without a picture, in the field.
};

struct SheetOptions {
  std::string title;
  int side = 224;  ///< Pixels of the longer side of a cell's picture; small pictures are enlarged by whole numbers.
};

/// Draws rows of cells on white, as an RGB PNG. Rows may differ in length. Text outside ASCII is shown as '?'.
/// Threads: any. Errors: Error(usage) for a sheet of more than 16384 pixels a side.
std::vector<std::uint8_t> draw_sheet(const std::vector<std::vector<SheetCell>>& rows, const SheetOptions& options);

}  // namespace millrace::augment
