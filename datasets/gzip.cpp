#include "datasets/gzip.h"

#include <algorithm>
#include <array>
#include <zlib.h>

namespace millrace {

struct GzipReader::State {
  const File& file;
  z_stream stream{};
  std::uint64_t offset = 0;  ///< Compressed bytes handed to zlib so far.
  bool between_members = true;
  std::array<std::uint8_t, 64 << 10> piece{};

  explicit State(const File& f) : file(f) {}
  std::uint64_t position() const { return offset - stream.avail_in; }
  /// False at the end of the file.
  bool refill() {
    const std::size_t got = file.read_some(offset, piece);
    offset += got;
    stream.next_in = piece.data();
    stream.avail_in = static_cast<uInt>(got);
    return got > 0;
  }
  /// Between members: whether only zeros are left, up to the end of the file.
  bool ends_in_zeros() {
    while (stream.avail_in > 0 || refill()) {
      if (*stream.next_in != 0) return false;
      ++stream.next_in;
      --stream.avail_in;
    }
    return true;
  }
};

GzipReader::GzipReader(const File& file) : state_(std::make_unique<State>(file)) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (inflateInit2(&state_->stream, kGzipOnly) != Z_OK) throw Error(ErrorKind::internal, "zlib cannot be initialised");
}

GzipReader::~GzipReader() { inflateEnd(&state_->stream); }

std::size_t GzipReader::read_some(std::span<std::uint8_t> out) {
  z_stream& stream = state_->stream;
  std::size_t done = 0;
  while (done < out.size()) {
    if (stream.avail_in == 0 && !state_->refill()) {
      if (state_->between_members) break;
      throw data_error(state_->file.path(), state_->position(), "the gzip stream ends early", "the file is truncated: fetch it again");
    }
    if (state_->between_members && state_->position() > 0 && *stream.next_in == 0) {
      if (state_->ends_in_zeros()) break;
      throw data_error(state_->file.path(), state_->position(), "the gzip stream is followed by zeros and then by other bytes", "fetch the file again");
    }
    state_->between_members = false;
    constexpr std::size_t kMost = std::size_t{1} << 30;  // zlib counts in 32 bits.
    const std::size_t room = std::min(out.size() - done, kMost);
    stream.next_out = out.data() + done;
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    done += room - stream.avail_out;
    if (result == Z_STREAM_END) {
      inflateReset(&stream);
      state_->between_members = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      const std::string why = stream.msg ? stream.msg : "error " + std::to_string(result);
      throw data_error(state_->file.path(), state_->position(), "the gzip stream is damaged (" + why + ")", "fetch the file again");
    }
  }
  return done;
}

bool is_gzip(const File& file) {
  std::array<std::uint8_t, 2> magic{};
  return file.read_some(0, magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
}

}  // namespace millrace
