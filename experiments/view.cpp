// millrace view: a contact sheet of originals beside what training would see of them, captioned with what was drawn.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "augment/sheet.h"
#include "experiments/commands.h"
#include "pipeline/error.h"
#include "pipeline/faults.h"
#include "pipeline/plan.h"

namespace millrace {
namespace {

using augment::SheetCell;

/// Pixels that a sheet's cells point to.
class Pictures {
 public:
  MutableImageView make(int width, int height, int channels) {
    auto& memory = memory_.emplace_back(std::make_unique<Buffer>());
    const auto stride = static_cast<std::ptrdiff_t>(width) * channels;
    return {memory->reserve(static_cast<std::size_t>(stride) * static_cast<std::size_t>(height)), width, height, channels, stride};
  }
  ImageView keep(const ImageView& view) {
    const MutableImageView copy = make(view.width, view.height, view.channels);
    for (int y = 0; y < view.height; ++y) std::memcpy(copy.row(y), view.row(y), static_cast<std::size_t>(copy.stride_bytes));
    return copy;
  }

 private:
  std::vector<std::unique_ptr<Buffer>> memory_;
};

/// A row of floats as a picture: taken back through the normalisation, and clipped.
ImageView unnormalised(const void* row, const RowFormat& format, const augment::Normalize& normalize, Pictures& pictures) {
  const MutableImageView out = pictures.make(format.width, format.height, format.channels);
  const auto statistic = [](const std::vector<double>& v, int c, double absent) {
    return v.empty() ? absent : v[v.size() == 1 ? 0 : static_cast<std::size_t>(c)];
  };
  for (int y = 0; y < format.height; ++y)
    for (int x = 0; x < format.width; ++x)
      for (int c = 0; c < format.channels; ++c) {
        const std::ptrdiff_t pixel = std::ptrdiff_t(y) * format.width + x;
        const std::ptrdiff_t i =
            format.layout == Layout::nchw ? std::ptrdiff_t(c) * format.height * format.width + pixel : pixel * format.channels + c;
        std::uint8_t& to = out.row(y)[x * format.channels + c];
        const double v = static_cast<const float*>(row)[i] * statistic(normalize.std, c, 1) + statistic(normalize.mean, c, 0);
        to = static_cast<std::uint8_t>(std::clamp(std::lround(v * 255), 0l, 255l));
      }
  return out;
}

Spec with_floats(Spec spec) {
  spec.data.dtype = Dtype::f32;
  return spec;
}

/// Does by hand, one sample at a time, what the loader's stages do.
class Viewer {
 public:
  Viewer(const Spec& spec, const SourceInfo& info, Pictures& pictures)
      : spec_(spec),
        pictures_(pictures),
        recipe_(make_recipe(with_floats(spec), info, false)),  // Rows of bytes leave the erasing to the device.
        normalize_(normalization_of(spec)),
        decoder_(make_decoder(spec.data, spec.loader)) {}

  /// The original, then versions as epochs 0, 1, ... draw them.
  std::vector<SheetCell> row(const Sample& sample, std::uint64_t id, const std::string& heading, const std::string& origin, int versions) {
    const Expected<ImageInfo> info =
        sample.raw() ? ImageInfo{sample.pixels.size(), sample.pixels.channels} : decoder_->header(sample.bytes);
    if (!info) return {fault_cell(info.error(), heading, origin)};
    const auto whole = pixels(sample, {0, 0, info->size.width, info->size.height});
    std::vector<SheetCell> cells{whole ? SheetCell{pictures_.keep(*whole), heading, text_of(*info, origin)}
                                       : fault_cell(whole.error(), heading, origin)};
    bool any = whole.has_value();  // Of a damaged file a crop above the damage is delivered, and seen here.
    for (int epoch = 0; epoch < versions; ++epoch) {
      cells.push_back(version(sample, *info, id, static_cast<std::uint32_t>(epoch), origin));
      any = any || cells.back().image.data;
    }
    if (!any) cells.resize(1);
    return cells;
  }
  static SheetCell fault_cell(Fault fault, const std::string& heading, const std::string& origin) {
    const std::string name = std::filesystem::path(origin).filename().string();
    fault.origin = name;
    const std::string text = describe(fault);
    return {{}, heading, heading == name ? text.substr(name.size() + 2) : text};
  }

 private:
  Expected<ImageView> pixels(const Sample& sample, const Roi& roi) {
    return sample.raw() ? Expected<ImageView>(sample.pixels.crop(roi)) : decoder_->decode(sample.bytes, roi, canvas_);
  }
  SheetCell version(const Sample& sample, const ImageInfo& info, std::uint64_t id, std::uint32_t epoch, const std::string& origin) {
    const std::string heading = "epoch " + std::to_string(epoch + 1);
    const Expected<Draw> draw = recipe_->draw(info, {spec_.loader.seed, epoch, id});
    if (!draw) return fault_cell(draw.error(), heading, origin);
    const auto visible = pixels(sample, inside(draw->framing.roi, info.size));
    if (!visible) return fault_cell(visible.error(), heading, origin);
    void* row = row_.reserve(recipe_->format().bytes());
    if (const auto done = recipe_->apply(*draw, info, *visible, row, scratch_); !done) return fault_cell(done.error(), heading, origin);
    return {unnormalised(row, recipe_->format(), normalize_, pictures_), heading, recipe_->describe(*draw)};
  }
  static std::string text_of(const ImageInfo& info, const std::string& origin) {
    return std::to_string(info.size.width) + " x " + std::to_string(info.size.height) + (info.progressive ? ", progressive, " : ", ") +
           std::filesystem::path(origin).filename().string();
  }

  const Spec& spec_;
  Pictures& pictures_;
  std::unique_ptr<Recipe> recipe_;
  augment::Normalize normalize_;
  std::unique_ptr<Decoder> decoder_;
  Buffer canvas_, row_;
  Scratch scratch_;
};

std::string class_name(const SourceInfo& info, std::int64_t label) {
  const auto i = static_cast<std::size_t>(label);
  return i < info.classes.size() ? info.classes[i] : "class " + std::to_string(label);
}

/// A file that is no sample of the set: what a loader would make of it.
std::vector<SheetCell> row_of_file(const std::string& path, std::uint64_t id, int versions, Viewer& viewer) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string heading = std::filesystem::path(path).filename().string();
  if (!in.is_open()) throw Error(ErrorKind::usage, path + ": cannot be read", "--bad takes files");
  if (bytes.empty()) return {Viewer::fault_cell({.kind = FaultKind::truncated, .detail = "the file is empty"}, heading, path)};
  const Sample sample{.bytes = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}};
  return viewer.row(sample, id, heading, path, versions);
}

}  // namespace

int view_command(const SpecArguments& arguments, const Context& context) {
  const Spec spec = read_spec(arguments, context);
  SourceShelf sources([&](const std::string& text) { context.out.warning(text); });
  const Source& source = sources.train(spec.data);
  Pictures pictures;
  Viewer viewer(spec, source.info(), pictures);
  std::vector<std::vector<SheetCell>> rows;
  // The first samples of the first epoch, so that other seeds show others.
  const std::uint64_t samples = std::min<std::uint64_t>(arguments.samples, source.size());
  std::vector<PlannedRow> order(samples);
  if (samples)
    Plan({.samples = source.size(), .global_batch = samples, .sampler = spec.loader.sampler, .seed = spec.loader.seed})
        .rows_of(0, 0, order);
  Buffer file;
  for (const PlannedRow& planned : order) {
    const auto sample = source.read(planned.id, file);
    const std::string origin = source.origin(planned.id);
    if (sample)
      rows.push_back(viewer.row(*sample, planned.id, class_name(source.info(), sample->label), origin, arguments.versions));
    else
      rows.push_back({Viewer::fault_cell(sample.error(), "sample " + std::to_string(planned.id), origin)});
  }
  // Bad samples need one cell each: as many a row as there is room for.
  std::vector<SheetCell> faults;
  for (const std::string& path : arguments.bad) {
    auto row = row_of_file(path, source.size() + faults.size(), arguments.versions, viewer);
    if (row.size() > 1)
      rows.push_back(std::move(row));
    else
      faults.push_back(std::move(row.front()));
  }
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (i % static_cast<std::size_t>(arguments.versions + 1) == 0) rows.emplace_back();
    rows.back().push_back(std::move(faults[i]));
  }
  const std::string title = std::filesystem::path(arguments.spec).stem().string() + ": " + source.info().name + ", seed " +
                            std::to_string(spec.loader.seed) + ". Left the original, then what epochs 1 to " +
                            std::to_string(arguments.versions) + " see";
  const auto png = augment::draw_sheet(rows, {.title = title});
  const std::string path = arguments.out.empty() ? "sheet.png" : arguments.out;
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(png.data()), static_cast<std::streamsize>(png.size()));
  if (!out.flush()) throw Error(ErrorKind::usage, path + ": cannot be written", "take another --out");
  std::printf("written: %s\n", path.c_str());
  return 0;
}

}  // namespace millrace
