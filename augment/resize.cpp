#include "augment/resize.h"

#include <algorithm>
#include <cstring>

#include "augment/affine.h"
#include "augment/crop.h"
#include "augment/resize_kernels.h"
#include "augment/resize_taps.h"
#include "augment/sample.h"

namespace millrace::augment {
namespace {

// Where finished rows go: a tile, or a block of rows that is normalised when it is full.
class Sink {
 public:
  explicit Sink(MutableImageView out) : out_(out), tile_(true) {}
  Sink(Size size, int channels, std::uint8_t* block, const Normalizer& normalizer, Layout layout, float* picture)
      : out_{block, size.width, size.height, channels, size.width * channels},
        normalizer_(&normalizer),
        layout_(layout),
        picture_(picture) {}
  static constexpr int kBlockRows = 8;

  std::uint8_t* row(int y) { return out_.row(tile_ ? y : y % kBlockRows); }
  MutableImageView view() const { return out_; }
  bool is_tile() const { return tile_; }
  void done(int y) {
    if (tile_ || (y % kBlockRows != kBlockRows - 1 && y != out_.height - 1)) return;
    const int first = y / kBlockRows * kBlockRows;
    const auto width = static_cast<std::size_t>(out_.width);
    normalize(out_.data, static_cast<std::size_t>(y - first + 1) * width, *normalizer_, layout_, picture_,
              static_cast<std::size_t>(first) * width, width * static_cast<std::size_t>(out_.height));
  }

 private:
  MutableImageView out_;
  bool tile_ = false;
  const Normalizer* normalizer_ = nullptr;
  Layout layout_ = Layout::nchw;
  float* picture_ = nullptr;
};

void reverse(ResizeTaps& taps) {
  std::reverse(taps.first, taps.first + taps.length);
  std::reverse(taps.count, taps.count + taps.length);
  for (int i = 0, j = taps.length - 1; i < j; ++i, --j)
    std::swap_ranges(taps.weight + std::ptrdiff_t{i} * taps.stride, taps.weight + std::ptrdiff_t{i + 1} * taps.stride,
                     taps.weight + std::ptrdiff_t{j} * taps.stride);
}

// The inputs that some output needs.
struct Span {
  int begin, end;
};
Span span_of(const ResizeTaps& taps) {
  Span s{taps.first[0], 0};
  for (int i = 0; i < taps.length; ++i) {
    s.begin = std::min(s.begin, taps.first[i]);
    s.end = std::max(s.end, taps.first[i] + taps.count[i]);
  }
  return s;
}
void shift(ResizeTaps& taps, int by) {
  for (int i = 0; i < taps.length; ++i) taps.first[i] -= by;
}

void sweep_nearest(ImageView in, const Box& box, const ResizePass& pass, Sink& sink, Scratch& scratch) {
  const int channels = in.channels;
  const double step_x = (box[2] - box[0]) / static_cast<double>(pass.target.width),
               step_y = (box[3] - box[1]) / static_cast<double>(pass.target.height);
  const std::size_t bytes = static_cast<std::size_t>(pass.target.width) * static_cast<std::size_t>(pass.target.height * channels);
  MutableImageView whole{scratch.buffers[2].reserve(bytes), pass.target.width, pass.target.height, channels, pass.target.width * channels};
  affine(in, {step_x, 0, box[0], 0, step_y, box[1]}, Filter::nearest, {}, whole, scratch.buffers[3]);
  if (pass.flip_horizontal) flip_horizontal(whole, whole);
  if (pass.flip_vertical) flip_vertical(whole, whole);
  const int left = pass.flip_horizontal ? pass.target.width - pass.window.left - pass.window.width : pass.window.left;
  const int top = pass.flip_vertical ? pass.target.height - pass.window.top - pass.window.height : pass.window.top;
  for (int y = 0; y < pass.window.height; ++y) {
    std::memcpy(sink.row(y), whole.row(top + y) + left * channels, static_cast<std::size_t>(pass.window.width * channels));
    sink.done(y);
  }
}

// One resize on its way: which passes are needed, their weights, and the picture between them.
class Sweep {
 public:
  Sweep(ImageView in, const Box& box, const ResizePass& pass, Sink& sink, Scratch& scratch)
      : in_(in), pass_(pass), sink_(sink), scratch_(scratch) {
    const auto full = [](float b0, float b1, int n) { return b0 == 0.0f && b1 == static_cast<float>(n); };
    // A mirrored row is a pass with reversed weights; where the size stays, they are those of the identity.
    horizontal_ = pass.target.width != in.width || !full(box[0], box[2], in.width) || pass.flip_horizontal;
    vertical_ = pass.target.height != in.height || !full(box[1], box[3], in.height);
    const bool both_sizes = vertical_ && (pass.target.width != in.width || !full(box[0], box[2], in.width));
    const int lost_rows = in.height - pass.target.height, lost_columns = in.width - pass.target.width;
    vertical_first_ = both_sizes && pass.options.pass_order == PassOrder::pillow13 && lost_rows > 0 && lost_rows > 2 * lost_columns;
    make_taps(box);
  }

  void run() {
    if (vertical_first_) return run_vertical_first();
    const Span rows = vertical_ ? span_of(down_) : Span{pass_.window.top, pass_.window.top + pass_.window.height};
    ImageView between =
        in_.crop({horizontal_ ? 0 : pass_.window.left, rows.begin, horizontal_ ? in_.width : pass_.window.width, rows.end - rows.begin});
    if (vertical_) shift(down_, rows.begin);
    if (horizontal_) {
      const bool direct = !vertical_ && !pass_.flip_vertical && sink_.is_tile();
      const MutableImageView to = direct ? sink_.view() : temporary({pass_.window.width, between.height});
      resize_horizontally(between, across_, to);
      if (direct) return;
      between = to;
    }
    for (int y = 0; y < pass_.window.height; ++y) {
      if (vertical_)
        resize_row(between.row(down_.first[y]), between.stride_bytes, weights(down_, y), down_.count[y], row_bytes(), sink_.row(y));
      else
        std::memcpy(sink_.row(y), between.row(pass_.flip_vertical ? pass_.window.height - 1 - y : y),
                    static_cast<std::size_t>(row_bytes()));
      sink_.done(y);
    }
  }

 private:
  void make_taps(const Box& box) {
    const ResizeOptions& o = pass_.options;
    const double width = static_cast<double>(box[2] - box[0]), height = static_cast<double>(box[3] - box[1]);
    const std::size_t words = horizontal_ ? taps_words(width, pass_.target.width, o.filter, o.antialias, pass_.window.width) : 0;
    const std::size_t more = vertical_ ? taps_words(height, pass_.target.height, o.filter, o.antialias, pass_.window.height) : 0;
    auto* memory = reinterpret_cast<std::int32_t*>(scratch_.buffers[3].reserve((words + more + 2) * 4));
    if (horizontal_) {
      across_ =
          fill_taps(in_.width, box[0], box[2], pass_.target.width, o.filter, o.antialias, pass_.window.left, pass_.window.width, memory);
      if (pass_.flip_horizontal) reverse(across_);
    }
    if (vertical_) {
      // Doubles stand at its start: keep it aligned.
      down_ = fill_taps(in_.height, box[1], box[3], pass_.target.height, o.filter, o.antialias, pass_.window.top, pass_.window.height,
                        memory + (words + 1) / 2 * 2);
      if (pass_.flip_vertical) reverse(down_);
    }
  }

  void run_vertical_first() {
    const Span columns = span_of(across_);
    shift(across_, columns.begin);
    const MutableImageView between = temporary({columns.end - columns.begin, pass_.window.height});
    for (int y = 0; y < pass_.window.height; ++y)
      resize_row(in_.row(down_.first[y]) + columns.begin * in_.channels, in_.stride_bytes, weights(down_, y), down_.count[y],
                 between.width * in_.channels, between.row(y));
    for (int y = 0; y < pass_.window.height; ++y) {
      const MutableImageView row{sink_.row(y), pass_.window.width, 1, in_.channels, pass_.window.width * in_.channels};
      resize_horizontally(ImageView(between).crop({0, y, between.width, 1}), across_, row);
      sink_.done(y);
    }
  }

  int row_bytes() const { return pass_.window.width * in_.channels; }
  static const std::int32_t* weights(const ResizeTaps& taps, int i) { return taps.weight + std::ptrdiff_t{i} * taps.stride; }
  MutableImageView temporary(Size size) {
    const int stride = size.width * in_.channels;
    return {scratch_.buffers[2].reserve(static_cast<std::size_t>(stride) * static_cast<std::size_t>(size.height)), size.width, size.height,
            in_.channels, stride};
  }

  ImageView in_;
  const ResizePass& pass_;
  Sink& sink_;
  Scratch& scratch_;
  ResizeTaps across_, down_;
  bool horizontal_ = false, vertical_ = false, vertical_first_ = false;
};

// Bilinear without antialias: see sample.h.
void sweep_sampled(ImageView in, const ResizePass& pass, Sink& sink, Scratch& scratch) {
  const Roi& window = pass.window;
  std::uint8_t* memory = scratch.buffers[3].reserve(sample_bytes(window.width) + sample_bytes(window.height));
  const SampleAxis across = make_sample_axis(in.width, pass.target.width, window.left, window.width, pass.flip_horizontal, memory);
  const SampleAxis down =
      make_sample_axis(in.height, pass.target.height, window.top, window.height, pass.flip_vertical, memory + sample_bytes(window.width));
  const int top = std::min(down.first[0], down.first[window.height - 1]);
  const int bottom = std::min(in.height, std::max(down.first[0], down.first[window.height - 1]) + 2);
  const int stride = window.width * in.channels;
  const MutableImageView between{scratch.buffers[2].reserve(static_cast<std::size_t>(stride) * static_cast<std::size_t>(bottom - top)),
                                 window.width, bottom - top, in.channels, stride};
  sample_horizontally(in.crop({0, top, in.width, bottom - top}), across, between);
  for (int y = 0; y < window.height; ++y) {
    const std::uint8_t* row = between.row(down.first[y] - top);
    sample_row(row, down.weight[y] == 0 ? row : row + stride, down.weight[y], stride, sink.row(y));
    sink.done(y);
  }
}

void sweep(ImageView in, const Box& box, const ResizePass& pass, Sink& sink, Scratch& scratch) {
  const bool whole_picture =
      box[0] == 0 && box[1] == 0 && box[2] == static_cast<float>(in.width) && box[3] == static_cast<float>(in.height);
  if (pass.options.filter == Filter::bilinear && !pass.options.antialias && whole_picture) return sweep_sampled(in, pass, sink, scratch);
  if (pass.options.filter == Filter::nearest)
    sweep_nearest(in, box, pass, sink, scratch);
  else
    Sweep(in, box, pass, sink, scratch).run();
}

Box whole(ImageView in) { return {0.0f, 0.0f, static_cast<float>(in.width), static_cast<float>(in.height)}; }

}  // namespace

void resize(ImageView in, const Box& box, const ResizeOptions& options, MutableImageView out, Scratch& scratch) {
  const ResizePass pass{.target = out.size(), .window = {0, 0, out.width, out.height}, .options = options};
  Sink sink(out);
  sweep(in, box, pass, sink, scratch);
}

void resize(ImageView in, const ResizeOptions& options, MutableImageView out, Scratch& scratch) {
  resize(in, whole(in), options, out, scratch);
}

void resize(ImageView in, const ResizePass& pass, MutableImageView out, Scratch& scratch) {
  Sink sink(out);
  sweep(in, whole(in), pass, sink, scratch);
}

void resize(ImageView in, const ResizePass& pass, const Normalizer& normalizer, Layout layout, float* picture, Scratch& scratch) {
  const Size size = pass.window.size();
  const int channels = in.channels;
  std::uint8_t* block = scratch.buffers[1].reserve(static_cast<std::size_t>(Sink::kBlockRows * size.width * channels));
  Sink sink(size, channels, block, normalizer, layout, picture);
  sweep(in, whole(in), pass, sink, scratch);
}

}  // namespace millrace::augment
