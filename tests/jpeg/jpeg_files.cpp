#include "jpeg_files.h"

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include <jerror.h>

namespace millrace::test {

Pixels test_picture(Size size, int channels, unsigned seed) {
  std::mt19937 random(seed);
  Pixels picture{size, channels, std::vector<std::uint8_t>(std::size_t(size.width) * size.height * channels)};
  std::size_t at = 0;
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x)
      for (int c = 0; c < channels; ++c) {
        const int wave = (x * (5 + c) + y * (3 + 2 * c)) % 256, square = ((x / 7 + y / 5 + c) % 2) * 60, noise = int(random() % 48);
        picture.data[at++] = std::uint8_t(std::clamp(wave / 2 + square + noise, 0, 255));
      }
  return picture;
}

File encode(const Pixels& picture, const Encoding& how) {
  jpeg_compress_struct cinfo;
  jpeg_error_mgr errors;
  cinfo.err = jpeg_std_error(&errors); // Exits on an error: the test's own mistake.
  jpeg_create_compress(&cinfo);
  unsigned char* memory = nullptr;
  unsigned long bytes = 0;
  jpeg_mem_dest(&cinfo, &memory, &bytes);
  cinfo.image_width = JDIMENSION(picture.size.width);
  cinfo.image_height = JDIMENSION(picture.size.height);
  cinfo.input_components = picture.channels;
  cinfo.in_color_space = picture.channels == 1 ? JCS_GRAYSCALE : picture.channels == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_set_defaults(&cinfo);
  if (how.components == 4 && how.sampling[0] != std::pair{1, 1}) jpeg_set_colorspace(&cinfo, JCS_YCCK);
  jpeg_set_quality(&cinfo, how.quality, TRUE);
  for (int c = 0; c < cinfo.num_components; ++c) {
    cinfo.comp_info[c].h_samp_factor = how.sampling[std::size_t(c)].first;
    cinfo.comp_info[c].v_samp_factor = how.sampling[std::size_t(c)].second;
  }
  cinfo.restart_interval = unsigned(how.restart_blocks);
  cinfo.arith_code = how.arithmetic;
  if (how.progressive) jpeg_simple_progression(&cinfo);
  if (how.last_scan > 0) cinfo.num_scans = std::min(cinfo.num_scans, how.last_scan);
  std::vector<jpeg_scan_info> scans(std::size_t(cinfo.num_components));
  if (how.separate_scans) {
    for (int c = 0; c < cinfo.num_components; ++c) scans[std::size_t(c)] = {1, {c, 0, 0, 0}, 0, 63, 0, 0};
    cinfo.scan_info = scans.data();
    cinfo.num_scans = cinfo.num_components;
  }
  jpeg_start_compress(&cinfo, TRUE);
  while (cinfo.next_scanline < cinfo.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(picture.view().row(int(cinfo.next_scanline)));
    jpeg_write_scanlines(&cinfo, &row, 1);
  }
  jpeg_finish_compress(&cinfo);
  jpeg_destroy_compress(&cinfo);
  File file(memory, memory + bytes);
  std::free(memory);
  return file;
}

namespace {

struct Escape {
  jpeg_error_mgr errors;
  jmp_buf back;
  bool damaged = false;
};

bool lost_data(const jpeg_error_mgr& errors) {
  const int code = errors.msg_code, marker = errors.msg_parm.i[1];
  if (code == JWRN_EXTRANEOUS_DATA) return marker >= 0xD0 && marker <= 0xD7; // Before a restart marker.
  return code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR && code != JWRN_NOT_SEQUENTIAL;
}

/// Only C objects between setjmp and longjmp.
bool decode_into(jpeg_decompress_struct& cinfo, Escape& escape, std::span<const std::uint8_t> file, int scale_denominator,
                 J_COLOR_SPACE color, Pixels& out) {
  if (setjmp(escape.back) != 0) return false;
  jpeg_create_decompress(&cinfo);
  jpeg_mem_src(&cinfo, file.data(), file.size());
  jpeg_read_header(&cinfo, TRUE);
  if (std::uint64_t(cinfo.image_width) * cinfo.image_height > 64'000'000) return false;
  cinfo.scale_denom = unsigned(scale_denominator);
  if (color != JCS_UNKNOWN) cinfo.out_color_space = color;
  jpeg_start_decompress(&cinfo);
  const std::size_t stride = std::size_t(cinfo.output_width) * std::size_t(cinfo.output_components);
  out.size = {int(cinfo.output_width), int(cinfo.output_height)};
  out.channels = cinfo.output_components;
  out.data.assign(stride * cinfo.output_height, 0);
  while (cinfo.output_scanline < cinfo.output_height) {
    JSAMPROW row = out.data.data() + stride * cinfo.output_scanline;
    jpeg_read_scanlines(&cinfo, &row, 1);
  }
  return true;
}

}  // namespace

Reference decode_plainly(std::span<const std::uint8_t> file, int scale_denominator, J_COLOR_SPACE color) {
  Reference reference;
  jpeg_decompress_struct cinfo{};
  Escape escape;
  cinfo.err = jpeg_std_error(&escape.errors);
  cinfo.client_data = &escape;
  escape.errors.error_exit = [](j_common_ptr common) { longjmp(static_cast<Escape*>(common->client_data)->back, 1); };
  escape.errors.emit_message = [](j_common_ptr common, int level) {
    Escape& at = *static_cast<Escape*>(common->client_data);
    if (level < 0 && lost_data(at.errors)) at.damaged = true;
  };
  reference.complete = decode_into(cinfo, escape, file, scale_denominator, color, reference.pixels);
  reference.damaged = escape.damaged;
  jpeg_destroy_decompress(&cinfo);
  return reference;
}

bool equal(const ImageView& a, const ImageView& b) {
  if (a.size() != b.size() || a.channels != b.channels) return false;
  for (int y = 0; y < a.height; ++y)
    if (std::memcmp(a.row(y), b.row(y), std::size_t(a.width) * a.channels) != 0) return false;
  return true;
}

File read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return File(std::istreambuf_iterator<char>(in), {});
}

std::filesystem::path data_folder() {
  const char* set = std::getenv("MILLRACE_DATA");
  return set ? std::filesystem::path(set) : std::filesystem::path(MILLRACE_SOURCE_DIR) / "data";
}

}  // namespace millrace::test
