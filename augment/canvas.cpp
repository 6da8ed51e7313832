#include "augment/canvas.h"

#include <cstring>

#include "augment/point.h"

namespace millrace::augment {

MutableImageView Canvas::fresh(Size size, bool last) {
  const int stride = size.width * view_.channels;
  std::uint8_t* memory = last_tile_;
  if (!last || !last_tile_) {
    memory = scratch_.buffers[next_].reserve(static_cast<std::size_t>(stride) * static_cast<std::size_t>(size.height));
    next_ = 1 - next_;
  }
  const MutableImageView tile{memory, size.width, size.height, view_.channels, stride};
  view_ = tile;
  owned_ = true;
  return tile;
}

MutableImageView Canvas::writable(bool last) {
  if (!owned_) {
    const ImageView source = view_;
    const MutableImageView tile = fresh(source.size(), last);
    for (int y = 0; y < source.height; ++y) std::memcpy(tile.row(y), source.row(y), static_cast<std::size_t>(tile.stride_bytes));
  }
  // Owned views are tiles of ours, made writable by `fresh`.
  return {const_cast<std::uint8_t*>(view_.data), view_.width, view_.height, view_.channels, view_.stride_bytes};
}

void Canvas::push(const std::array<Table, 3>& tables) {
  for (std::size_t c = 0; c < static_cast<std::size_t>(view_.channels); ++c) {
    if (!has_tables_)
      tables_[c] = tables[c];
    else
      for (std::uint8_t& v : tables_[c]) v = tables[c][v];
  }
  has_tables_ = true;
}

void Canvas::push(const Table& table) {
  for (std::size_t c = 0; c < static_cast<std::size_t>(view_.channels); ++c) {
    if (!has_tables_)
      tables_[c] = table;
    else
      for (std::uint8_t& v : tables_[c]) v = table[v];
  }
  has_tables_ = true;
}

void Canvas::settle(bool last) {
  if (!has_tables_) return;
  const ImageView from = view_;
  const MutableImageView to = owned_ ? writable(last) : fresh(from.size(), last);
  apply_tables(from, tables_, to);
  has_tables_ = false;
}

}  // namespace millrace::augment
