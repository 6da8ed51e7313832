#pragma once
#include <array>
#include <cstdint>

#include "augment/normalize.h"
#include "pipeline/image.h"
#include "pipeline/recipe.h"

namespace millrace::augment {

/// The picture of one sample on its way through the drawn operations: it starts as a view of the source, moves between two
/// tiles of the scratch, and ends in the batch's row. Tables of consecutive point operations are kept and composed until
/// an operation needs the pixels themselves.
class Canvas {
 public:
  /// `last_tile`: where the tile of the last moving operation goes, if its bytes are the row's (u8, nhwc); else null.
  Canvas(ImageView source, Scratch& scratch, std::uint8_t* last_tile) : view_(source), scratch_(scratch), last_tile_(last_tile) {}

  /// The pixels; contiguous unless they are still the source's. Call `settle` first where tables may be pending.
  ImageView view() const { return view_; }
  /// Buffers of the scratch that kernels may use.
  Buffer& kernel_scratch() { return scratch_.buffers[2]; }
  Scratch& scratch() { return scratch_; }

  /// A tile for the result of an operation that cannot work in place; it becomes the view. The old view stays valid until
  /// the next call. `last`: no later operation needs another tile.
  MutableImageView fresh(Size size, bool last);
  /// The view, writable: a tile of our own, copied from the source where it is still that.
  MutableImageView writable(bool last);

  bool owned() const { return owned_; }  ///< The view is a tile of ours.
  bool has_tables() const { return has_tables_; }
  const std::array<Table, 3>& tables() const { return tables_; }
  void push(const Table& table);
  void push(const std::array<Table, 3>& tables);
  /// Applies pending tables, so that the view is the picture.
  void settle(bool last);

 private:
  ImageView view_;
  Scratch& scratch_;
  std::uint8_t* last_tile_;
  bool owned_ = false, has_tables_ = false;
  std::size_t next_ = 0;
  std::array<Table, 3> tables_;
};

}  // namespace millrace::augment
