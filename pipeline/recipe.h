#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/buffer.h"
#include "pipeline/decoder.h"
#include "pipeline/error.h"
#include "pipeline/image.h"
#include "pipeline/random.h"

namespace millrace {

enum class Dtype : std::uint8_t { u8, f32 };
enum class Layout : std::uint8_t { nchw, nhwc }; ///< nhwc is torch's channels_last.

/// Shape and type of one row (picture) of a batch.
struct RowFormat {
  int channels = 1, height = 0, width = 0;
  Dtype dtype = Dtype::f32;
  Layout layout = Layout::nchw;

  std::size_t elements() const { return std::size_t(channels) * height * width; }
  std::size_t bytes() const { return elements() * (dtype == Dtype::f32 ? 4 : 1); }
  bool operator==(const RowFormat&) const = default;
};

enum class Filter : std::uint8_t { nearest, box, bilinear, hamming, bicubic, lanczos };

/// The first pass over a picture: crop, resize and flip in one. `roi` may exceed the image: that part is padding.
struct Framing {
  Roi roi;                                   ///< In pixels of the source image.
  Size target;                               ///< Equal to the roi's size: no resize.
  Filter filter = Filter::bilinear;
  bool antialias = true;
  bool flip_horizontal = false, flip_vertical = false;
  std::array<std::uint8_t, 3> fill{};        ///< Of the padding.
};

/// One drawn operation: which (a value of the recipe's own enumeration) and its parameters, after all random choices.
/// Left uninitialised on purpose: a Draw is made for every sample.
struct DrawnOp {
  std::uint16_t op;
  std::uint8_t slot;                         ///< Its place in the recipe; keys further random streams (noise).
  std::array<double, 6> parameters;
};

/// Everything that was drawn for one sample: data, so that it can be printed, replayed and composed before a pixel moves.
struct Draw {
  static constexpr int kMaxOps = 16;
  Draw() {}                                  // Not defaulted: value-initialisation would clear `ops`.
  Framing framing;
  RngKey key;                                ///< For operations whose noise is too large to store here.
  int count = 0;                             ///< How many of `ops` are set.
  std::array<DrawnOp, kMaxOps> ops;
};

/// What is left to do to u8 rows once a device has normalised them: boxes to overwrite with normalised values (random erasing).
struct Erasures {
  struct Box {
    int row = 0;
    Roi roi;
    std::size_t first = 0, count = 0;        ///< Its values: none, for zeros; one a channel; or one a channel and pixel, channel by channel and row by row.
  };
  std::vector<Box> boxes;                    ///< By row; a later one covers an earlier.
  std::vector<float> values;

  void clear() { boxes.clear(), values.clear(); }
  /// Adds those of one picture, whose place in the batch is `row`.
  void add(const Erasures& picture, int row);
};

/// Memory that operations use between passes; one a worker, it grows to what the recipe needs and stays.
struct Scratch {
  std::array<Buffer, 4> buffers;
};

/// A list of augmentations compiled for one output format.
/// Threads: const, hence safe from many threads, each with its own Scratch.
/// Errors:  constructors throw Error(usage); `apply` returns a Fault where a picture does not fit the recipe.
class Recipe {
 public:
  virtual ~Recipe() = default;
  virtual const RowFormat& format() const = 0;
  /// Draws all parameters. Depends on the image's size and the key only.
  virtual Expected<Draw> draw(const ImageInfo& image, const RngKey& key) const = 0;
  /// `visible` is the part of draw.framing.roi that lies inside the image. Writes one row of the batch: format().bytes()
  /// bytes at `row`.
  virtual Expected<void> apply(const Draw& draw, const ImageInfo& image, ImageView visible, void* row, Scratch& scratch) const = 0;
  /// What `apply` leaves to the device, of u8 rows: adds to `into`, for row 0.
  virtual void erasures(const Draw& /*draw*/, Erasures& /*into*/) const {}
  /// What was drawn, for people: "rotate 12.5, posterize 4".
  virtual std::string describe(const Draw& draw) const = 0;
};

}  // namespace millrace
