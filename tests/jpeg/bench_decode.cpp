// What decoding costs, by libjpeg-turbo and by the fast decoder of usual files: one thread, CPU time, interleaved, the same crops.
//   bench_decode [repetitions]
// On the photographs of imagenet-sample as they are, and made anew at 500 pixels, 4:2:0, quality 90.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "jpeg_files.h"
#include "pipeline/jpeg.h"
#include "pipeline/jpeg/kernels.h"
#include "pipeline/jpeg/scan_bytes.h"

using namespace millrace;

namespace {

/// CPU time of this thread, in microseconds: neighbours on the machine disturb it less than they do the wall clock.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e6 + double(time.tv_nsec) * 1e-3;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// What one repetition took, for each repetition.
struct Way {
  std::string name;
  std::function<void(std::size_t file, const Roi& crop)> run;
  std::vector<double> microseconds{};
};

/// Each repetition goes through all files, and through all ways for each, in turns, so that none always finds the file in the cache.
void measure(std::vector<Way>& ways, const std::vector<Roi>& crops, int repetitions) {
  for (int r = 0; r < repetitions + 1; ++r) {
    std::vector<double> sum(ways.size());
    for (std::size_t file = 0; file < crops.size(); ++file)
      for (std::size_t k = 0; k < ways.size(); ++k) {
        const std::size_t way = (k + std::size_t(r)) % ways.size();
        const double start = now();
        ways[way].run(file, crops[file]);
        sum[way] += now() - start;
      }
    if (r == 0) continue; // Warm-up.
    for (std::size_t k = 0; k < ways.size(); ++k) ways[k].microseconds.push_back(sum[k]);
  }
}

/// `count`: of what a line's figure is for one.
void print(const std::vector<Way>& ways, std::size_t base, double count, const char* unit) {
  for (const Way& way : ways) {
    std::vector<double> each, ratios;
    for (std::size_t r = 0; r < way.microseconds.size(); ++r) {
      each.push_back(way.microseconds[r] / count);
      ratios.push_back(ways[base].microseconds[r] / way.microseconds[r]);
    }
    std::printf("  %-34s %9.2f %s (%.2f .. %.2f)   x %.3f (%.3f .. %.3f)\n", way.name.c_str(), median(each), unit, *std::min_element(each.begin(), each.end()),
                *std::max_element(each.begin(), each.end()), median(ratios), *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()));
  }
}

/// Torchvision's RandomResizedCrop box: area 8-100 %, aspect 3/4-4/3.
Roi random_resized_crop(Size size, std::mt19937& random) {
  std::uniform_real_distribution<double> unit(0, 1);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = size.width * double(size.height) * (0.08 + 0.92 * unit(random));
    const double aspect = std::exp(std::log(0.75) + unit(random) * (std::log(4.0 / 3) - std::log(0.75)));
    const int width = int(std::lround(std::sqrt(area * aspect))), height = int(std::lround(std::sqrt(area / aspect)));
    if (width > 0 && height > 0 && width <= size.width && height <= size.height)
      return {int(unit(random) * (size.width - width + 1)), int(unit(random) * (size.height - height + 1)), width, height};
  }
  return {0, 0, size.width, size.height};
}

/// At most 500 pixels a side, by averages of the pixels that an output pixel covers.
test::Pixels at_most_500(const test::Pixels& from) {
  const double scale = std::max(1.0, std::max(from.size.width, from.size.height) / 500.0);
  test::Pixels to{{int(from.size.width / scale), int(from.size.height / scale)}, 3, {}};
  for (int y = 0; y < to.size.height; ++y)
    for (int x = 0; x < to.size.width; ++x) {
      const int left = int(x * scale), right = std::max(left + 1, int((x + 1) * scale)), top = int(y * scale), bottom = std::max(top + 1, int((y + 1) * scale));
      for (int c = 0; c < 3; ++c) {
        int sum = 0;
        for (int v = top; v < bottom; ++v)
          for (int u = left; u < right; ++u) sum += from.data[std::size_t((v * from.size.width + u) * 3 + c)];
        to.data.push_back(std::uint8_t(sum / ((right - left) * (bottom - top))));
      }
    }
  return to;
}

/// Crops and whole pictures by both decoders.
void bench_pictures(const std::vector<test::File>& files, int repetitions) {
  JpegDecoder fast({}), library({.fast = false});
  Buffer canvas;
  std::vector<Roi> crops;
  std::vector<Size> sizes;
  std::mt19937 random{1};
  for (const test::File& file : files) {
    sizes.push_back(fast.header(file)->size);
    crops.push_back(random_resized_crop(sizes.back(), random));
  }
  const auto decode = [&](JpegDecoder& decoder, std::size_t i, const Roi& roi) {
    if (!decoder.header(files[i]) || !decoder.decode(files[i], roi, canvas)) std::printf("fault in file %zu\n", i);
  };
  const auto whole = [&](std::size_t i) { return Roi{0, 0, sizes[i].width, sizes[i].height}; };
  std::vector<Way> of_crops = {{"crop, libjpeg-turbo", [&](std::size_t i, const Roi& roi) { decode(library, i, roi); }},
                               {"crop, fast", [&](std::size_t i, const Roi& roi) { decode(fast, i, roi); }}};
  std::vector<Way> of_wholes = {{"whole, libjpeg-turbo", [&](std::size_t i, const Roi&) { decode(library, i, whole(i)); }},
                                {"whole, fast", [&](std::size_t i, const Roi&) { decode(fast, i, whole(i)); }}};
  measure(of_crops, crops, repetitions);
  measure(of_wholes, crops, repetitions);
  print(of_crops, 0, double(files.size()), "us a picture");
  print(of_wholes, 0, double(files.size()), "us a picture");
  std::printf("  %.1f %% of the pictures by the fast decoder\n", 100.0 * double(fast.counts().fast) / double(fast.counts().decoded));
}

/// A file's scan, ready to be gone through.
class Scan {
 public:
  explicit Scan(const test::File& file) {
    jpeg_decompress_struct cinfo{};
    jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, file.data(), file.size());
    jpeg_read_header(&cinfo, TRUE);
    jpeg::AcTableBuilder builder;
    int h = cinfo.num_components == 1 ? 1 : cinfo.comp_info[0].h_samp_factor, v = cinfo.num_components == 1 ? 1 : cinfo.comp_info[0].v_samp_factor;
    for (int c = 0; c < cinfo.num_components; ++c) {
      const jpeg_component_info& info = cinfo.comp_info[c];
      const int d = info.dc_tbl_no, a = info.ac_tbl_no; // Components that share a code share its tables, and the cache.
      usable_ = usable_ && dc_[d].build(code_of(*cinfo.dc_huff_tbl_ptrs[d]), jpeg::CodeOf::dc) && builder.build(code_of(*cinfo.ac_huff_tbl_ptrs[a]), ac_[a]);
      for (int i = 0; i < (c == 0 ? h * v : 1) && reader_.blocks < 6; ++i, ++reader_.blocks)
        reader_.block[reader_.blocks] = {&dc_[d], &ac_[a], c, 1, coefficients_[reader_.blocks], extents_[reader_.blocks]};
    }
    mcus_ = int((cinfo.image_width + 8 * unsigned(h) - 1) / (8 * unsigned(h)) * ((cinfo.image_height + 8 * unsigned(v) - 1) / (8 * unsigned(v))));
    usable_ = usable_ && cinfo.restart_interval == 0 && cinfo.num_components <= 3 && !cinfo.progressive_mode &&
              bytes_.copy(*jpeg::kernels(), {cinfo.src->next_input_byte, cinfo.src->bytes_in_buffer}, 1);
    jpeg_destroy_decompress(&cinfo);
  }
  bool usable() const { return usable_; }
  int blocks() const { return mcus_ * reader_.blocks; }
  std::size_t bytes() const { return bytes_.size(); }
  void skip() {
    begin();
    if (!jpeg::kernels()->skip(reader_, mcus_)) std::printf("a scan could not be skipped\n");
  }
  void decode() {
    begin();
    for (int done = 0; done < mcus_; done += kAtOnce) {
      const int count = std::min(kAtOnce, mcus_ - done);
      for (int i = 0; i < reader_.blocks; ++i) std::fill_n(coefficients_[i], 64 * (count + 1), std::int16_t{0});
      if (!jpeg::kernels()->decode(reader_, 0, count)) std::printf("a scan could not be decoded\n");
    }
  }

 private:
  static constexpr int kAtOnce = 12;
  static jpeg::HuffmanCode code_of(const JHUFF_TBL& table) {
    jpeg::HuffmanCode code;
    std::copy_n(table.bits, 17, code.lengths.begin());
    std::copy_n(table.huffval, 256, code.symbols.begin());
    return code;
  }
  void begin() {
    std::fill_n(reader_.prediction, 3, 0u);
    reader_.limit = bytes_.data() + bytes_.size() + 8;
    jpeg::kernels()->seek(reader_.in, bytes_.data(), 0);
  }
  bool usable_ = true;
  jpeg::ScanBytes bytes_;
  jpeg::ScanReader reader_;
  jpeg::SymbolTable dc_[4];
  jpeg::AcTables ac_[4];
  std::int16_t coefficients_[6][64 * (kAtOnce + 1)];
  std::uint8_t extents_[6][kAtOnce];
  int mcus_ = 0;
};

void read_coefficients(const test::File& file) {
  jpeg_decompress_struct cinfo{};
  jpeg_error_mgr errors;
  cinfo.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&cinfo);
  jpeg_mem_src(&cinfo, file.data(), file.size());
  jpeg_read_header(&cinfo, TRUE);
  jpeg_read_coefficients(&cinfo);
  jpeg_destroy_decompress(&cinfo);
}

/// Huffman decoding alone.
void bench_blocks(const std::vector<test::File>& all, int repetitions) {
  std::vector<test::File> files;
  std::vector<std::unique_ptr<Scan>> scans;
  double blocks = 0, bytes = 0;
  for (const test::File& file : all) {
    auto scan = std::make_unique<Scan>(file);
    if (!scan->usable()) continue;
    blocks += scan->blocks();
    bytes += double(scan->bytes());
    files.push_back(file);
    scans.push_back(std::move(scan));
  }
  std::vector<Way> ways = {{"blocks, jpeg_read_coefficients", [&](std::size_t i, const Roi&) { read_coefficients(files[i]); }},
                           {"blocks, fast", [&](std::size_t i, const Roi&) { scans[i]->decode(); }},
                           {"blocks, fast, skipped", [&](std::size_t i, const Roi&) { scans[i]->skip(); }}};
  measure(ways, std::vector<Roi>(files.size()), repetitions);
  print(ways, 0, blocks / 1000, "ns a block  ");
  std::printf("  %.1f bits a block, %zu files\n", 8 * bytes / blocks, files.size());
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 9;
  std::vector<std::filesystem::path> paths;
  const auto folder = test::data_folder() / "imagenet-sample";
  if (std::filesystem::exists(folder))
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      if (entry.path().extension() == ".JPEG") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) return std::printf("no photographs under MILLRACE_DATA/imagenet-sample\n"), 2;
  std::vector<test::File> genuine, remade;
  for (const auto& path : paths) {
    genuine.push_back(test::read_file(path));
    remade.push_back(test::encode(at_most_500(test::decode_plainly(genuine.back(), 1, JCS_RGB).pixels), {.quality = 90}));
  }
  for (const auto& [name, files] : {std::pair{"photographs as published", &genuine}, std::pair{"the same at 500 pixels, 4:2:0, quality 90", &remade}}) {
    double bytes = 0;
    for (const test::File& file : *files) bytes += double(file.size());
    std::printf("%s: %zu files, %.1f kB\n", name, files->size(), bytes / 1000 / double(files->size()));
    bench_pictures(*files, repetitions);
    if (jpeg::kernels()) bench_blocks(*files, repetitions);
  }
}
