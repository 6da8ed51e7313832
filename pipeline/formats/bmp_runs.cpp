// Run lengths of BMP. Source: Pillow 13 BmpImagePlugin.py, BmpRleDecoder, whose odd cases are taken over one by one.
#include <algorithm>

#include "pipeline/formats/bmp.h"

namespace millrace {
namespace {

class Runs {
 public:
  Runs(FileBytes bytes, const BmpHeader& header, std::uint8_t* indices)
      : bytes_(bytes), width_(static_cast<std::size_t>(header.width)), size_(width_ * static_cast<std::size_t>(header.height)),
        two_a_byte_(header.packing == BmpPacking::rle4), out_(indices), at_(static_cast<std::size_t>(std::min<std::uint64_t>(header.pixels_at, bytes.size()))) {}

  Expected<void> unpack() {
    while (done_ < size_ && step()) {
    }
    if (done_ == size_) return {};
    if (at_ >= bytes_.size()) return refuse(FaultKind::truncated, bytes_.size(), "the file ends before its run lengths do");
    return refuse(FaultKind::corrupt, at_, "the run lengths end at pixel " + std::to_string(done_) + " of " + std::to_string(size_));
  }

 private:
  std::size_t left() const { return bytes_.size() - at_; }
  void put(std::uint8_t index, std::size_t count) {
    count = std::min(count, size_ - done_);
    std::fill_n(out_ + done_, count, index);
    done_ += count;
  }

  /// One code. False at the end of the picture or of the file.
  bool step() {
    if (left() < 2) {
      at_ = bytes_.size();
      return false;
    }
    const std::size_t count = bytes_[at_];
    const std::uint8_t value = bytes_[at_ + 1];
    at_ += 2;
    if (count > 0) return run(count, value);
    switch (value) {
      case 0: {  // The end of a line; one that holds nothing yet is not a line.
        if (done_ % width_ != 0) put(0, width_ - done_ % width_);
        column_ = 0;
        return true;
      }
      case 1: return false;
      case 2: return jump();
      default: return literal(value);
    }
  }

  bool run(std::size_t count, std::uint8_t value) {
    count = std::min(count, width_ - std::min(width_, column_));  // What goes beyond the line is lost.
    for (std::size_t i = 0; i < count && two_a_byte_; ++i) put(i % 2 == 0 ? value >> 4 : value & 15, 1);
    if (!two_a_byte_) put(value, count);
    column_ += count;
    return true;
  }

  bool jump() {
    if (left() < 2) {
      at_ = bytes_.size();
      return false;
    }
    put(0, bytes_[at_] + bytes_[at_ + 1] * width_);
    at_ += 2;
    column_ = done_ % width_;
    return true;
  }

  bool literal(std::size_t value) {
    const std::size_t count = std::min(size_ - done_, value), wanted = two_a_byte_ ? (count + 1) / 2 : count, there = std::min(wanted, left());
    for (std::size_t i = 0; i < there; ++i) {
      const std::uint8_t byte = bytes_[at_ + i];
      if (!two_a_byte_) put(byte, 1);
      else put(byte >> 4, 1);
      if (two_a_byte_ && 2 * i + 1 < count) put(byte & 15, 1);
    }
    at_ += there;
    if (there < wanted || done_ == size_) return false;
    column_ += value;
    if (at_ % 2 != 0 && at_ < bytes_.size()) ++at_;  // Codes begin at even bytes: of the file, as Pillow counts.
    return true;
  }

  FileBytes bytes_;
  std::size_t width_, size_;
  bool two_a_byte_;
  std::uint8_t* out_;
  std::size_t at_, done_ = 0;
  std::size_t column_ = 0;  ///< Where the line stands, by the codes; literals may lead beyond it.
};

}  // namespace

Expected<void> unpack_bmp_runs(FileBytes bytes, const BmpHeader& header, std::uint8_t* indices) { return Runs(bytes, header, indices).unpack(); }

}  // namespace millrace
