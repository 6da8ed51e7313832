"""Small PNG, BMP and WebP files of every kind that the formats have: PNG and BMP written here, from their specifications; WebP by
Pillow's encoder, its containers here. `pictures.py OUT` writes them into one file with Pillow's pixels beside it: OUT/pictures.bin and
OUT/pillow_pixels.tsv (name, offset, bytes, width, height, CRC-32 of convert("RGB") and of convert("L"), or what Pillow says)."""

import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image

W, H = 21, 13


def photo(width=W, height=H, seed=7):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    wave = np.stack([127 + 100 * np.sin(x / 3 + y / 5), 127 + 90 * np.cos(x / 4 - y / 3), 127 + 80 * np.sin((x + y) / 4)], -1)
    return np.clip(wave + rng.normal(0, 12, wave.shape), 0, 255).astype(np.uint8)


def noise(*shape, seed=3, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def packed(values, bits):
    """Rows of values as rows of bytes, the first in the highest bits."""
    per_byte = 8 // bits
    rows = np.zeros((values.shape[0], (values.shape[1] + per_byte - 1) // per_byte), np.uint8)
    for x in range(values.shape[1]):
        rows[:, x // per_byte] |= (values[:, x] << (8 - bits - x % per_byte * bits)).astype(np.uint8)
    return rows


# --- PNG


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def filtered(rows, pixel_bytes, filters):
    """Rows of bytes with PNG's five filters in turn, or the one given."""
    out, above = b"", np.zeros(rows.shape[1], np.int32)
    for y, row in enumerate(rows.astype(np.int32)):
        kind = filters if isinstance(filters, int) else y % 5
        left = np.concatenate([np.zeros(pixel_bytes, np.int32), row[:-pixel_bytes]]) if row.size > pixel_bytes else np.zeros_like(row)
        corner = np.concatenate([np.zeros(pixel_bytes, np.int32), above[:-pixel_bytes]]) if row.size > pixel_bytes else np.zeros_like(row)
        estimate = left + above - corner
        a, b, c = abs(estimate - left), abs(estimate - above), abs(estimate - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        out += bytes([kind]) + ((row - [0, left, above, (left + above) // 2, paeth][kind]) & 255).astype(np.uint8).tobytes()
        above = row
    return out


def png(values, depth, color, before=b"", after=b"", interlaced=False, filters=None, split=0):
    """`values`: H x W or H x W x channels."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    height, width = values.shape[:2]
    pixel_bytes = max(1, channels * depth // 8)

    def rows_of(part):
        if part.size == 0:
            return b""
        flat = part.reshape(part.shape[0], -1)
        rows = packed(flat, depth) if depth < 8 else np.frombuffer(flat.astype(">u2" if depth == 16 else "u1").tobytes(), np.uint8).reshape(part.shape[0], -1)
        return filtered(rows, pixel_bytes, filters)

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] if interlaced else [(0, 0, 1, 1)]
    data = zlib.compress(b"".join(rows_of(values[y::dy, x::dx]) for x, y, dx, dy in passes))
    parts = [data[i : i + split] for i in range(0, len(data), split)] if split else [data]
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + b"".join(chunk(b"IDAT", p) for p in parts) + after + chunk(b"IEND", b"")


def tiff(orientation, kind="H", order="<", count=1):
    """An EXIF block with an orientation of any TIFF type."""
    types = {"B": 1, "H": 3, "I": 4, "rational": 5, "b": 6, "h": 8, "i": 9, "srational": 10, "f": 11, "d": 12}
    one = struct.pack(order + "II", 2 * orientation, 2) if "rational" in kind else struct.pack(order + kind, orientation)
    value = one * count
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 1)
    entry = struct.pack(order + "HHI", 0x112, types[kind], count)
    if len(value) <= 4:
        return head + entry + value.ljust(4, b"\0") + bytes(4)
    return head + entry + struct.pack(order + "I", 26) + bytes(4) + value


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def png_files():
    rgb, grey, alpha = photo(), photo()[..., 1], noise(H, W, seed=4)
    wide = rgb.astype(np.uint16) * 257 ^ noise(H, W, 3, seed=5)
    grey16 = np.where(np.arange(W) % 2 == 0, grey, grey.astype(np.uint16) * 257).astype(np.uint16)
    colors = noise(256, 3, seed=6)
    files = {}
    for interlaced in (False, True):
        tag = "_interlaced" if interlaced else ""
        files[f"rgb8{tag}"] = png(rgb, 8, 2, interlaced=interlaced)
        files[f"rgb16{tag}"] = png(wide, 16, 2, interlaced=interlaced)
        files[f"rgba8{tag}"] = png(np.dstack([rgb, alpha]), 8, 6, interlaced=interlaced)
        files[f"rgba16{tag}"] = png(np.dstack([wide, noise(H, W, dtype=np.uint16)]), 16, 6, interlaced=interlaced)
        files[f"la8{tag}"] = png(np.dstack([grey, alpha]), 8, 4, interlaced=interlaced)
        files[f"la16{tag}"] = png(np.dstack([grey16, noise(H, W, dtype=np.uint16)]), 16, 4, interlaced=interlaced)
        files[f"grey16{tag}"] = png(grey16, 16, 0, interlaced=interlaced)
        for depth in (1, 2, 4, 8):
            index = grey >> (8 - depth)
            files[f"grey{depth}{tag}"] = png(index, depth, 0, interlaced=interlaced)
            plte = chunk(b"PLTE", colors[: 1 << depth].tobytes())
            files[f"palette{depth}{tag}"] = png(index, depth, 3, plte, interlaced=interlaced)
            files[f"palette{depth}_short{tag}"] = png(index, depth, 3, chunk(b"PLTE", colors[: max(1, (1 << depth) * 2 // 5)].tobytes()), interlaced=interlaced)
            files[f"palette{depth}_trns{tag}"] = png(index, depth, 3, plte + chunk(b"tRNS", bytes([0, 100])), interlaced=interlaced)
    for kind in range(5):
        files[f"filter{kind}"] = png(rgb, 8, 2, filters=kind)
    files["rgb_trns"] = png(rgb, 8, 2, chunk(b"tRNS", struct.pack(">HHH", *map(int, rgb[0, 0]))))
    files["grey_trns"] = png(grey, 8, 0, chunk(b"tRNS", struct.pack(">H", int(grey[0, 0]))))
    files["gamma"] = png(rgb, 8, 2, chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sRGB", b"\0"))
    files["odd_profile"] = png(rgb, 8, 2, chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(bytes(20))))
    files["text"] = png(rgb, 8, 2, chunk(b"tEXt", b"Title\0x"), chunk(b"tIME", bytes(7)))
    files["suggested_palette"] = png(rgb, 8, 2, chunk(b"PLTE", colors.tobytes()))
    files["many_parts"] = png(rgb, 8, 2, split=7)
    files["trailing"] = png(rgb, 8, 2) + b"garbage" * 9
    files["apng"] = png(rgb, 8, 2, chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, W, H, 0, 0, 1, 10, 0, 0)))
    for width, height in ((1, 1), (1, 9), (9, 1), (3, 2), (257, 2)):
        for interlaced in (False, True):
            files[f"{width}x{height}{'_interlaced' if interlaced else ''}"] = png(photo(width, height), 8, 2, interlaced=interlaced)
    files["exif6"] = png(rgb, 8, 2, chunk(b"eXIf", tiff(6)))
    files["exif5_after"] = png(rgb, 8, 2, after=chunk(b"eXIf", tiff(5)))
    files["xmp6"] = png(rgb, 8, 2, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    return {f"png/{name}.png": data for name, data in files.items()}


# --- BMP


def bmp(pixels, bits, width=W, height=H, header=40, compression=0, masks=b"", palette=b"", colors=0, offset=None, tail=b""):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IIiHHIIiiII", header, width, height, 1, bits, compression, len(pixels), 2835, 2835, colors, 0)
    inside = header - len(info)
    info += masks[:inside].ljust(inside, b"\0") + masks[inside:]
    if offset is None:
        offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(palette) + len(pixels), 0, 0, offset) + info + palette + pixels + tail


def padded(rows):
    return b"".join(row.tobytes() + bytes(-len(row.tobytes()) % 4) for row in rows)


def runs(index, four_bits=False, literal=False):
    """Run lengths as encoders write them: runs, or literals."""
    out = b""
    for row in index:
        x = 0
        while x < len(row):
            n = min(255, len(row) - x)
            if literal and n >= 3:
                part = packed(row[None, x : x + n], 4)[0].tobytes() if four_bits else row[x : x + n].tobytes()
                out += bytes([0, n]) + part + bytes(len(part) % 2)
            else:
                n = 1
                while x + n < len(row) and n < 255 and row[x + n] == row[x]:
                    n += 1
                out += bytes([n, row[x] * 17 if four_bits else row[x]])
            x += n
        out += b"\0\0"
    return out + b"\0\1"


def bmp_files():
    rgb, grey, alpha = photo(), photo()[..., 1], noise(H, W, 1, seed=4)
    bgr, up = rgb[..., ::-1], slice(None, None, -1)
    bgra, rgba, abgr = np.dstack([bgr, alpha]), np.dstack([rgb, alpha]), np.concatenate([alpha, bgr], -1)
    palette = np.concatenate([noise(256, 3, seed=6), np.zeros((256, 1), np.uint8)], -1)
    masks = lambda *m: struct.pack("<" + "I" * len(m), *m)
    five = (rgb >> 3).astype(np.uint16)
    p555 = five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]
    p565 = five[..., 0] << 11 | (rgb[..., 1] >> 2).astype(np.uint16) << 5 | five[..., 2]
    files = {"24": bmp(padded(bgr[up]), 24), "24_down": bmp(padded(bgr), 24, height=-H), "32": bmp(padded(bgra[up]), 32), "32_down": bmp(padded(bgra), 32, height=-H)}
    for header in (52, 56, 64, 108, 124):
        files[f"24_header{header}"] = bmp(padded(bgr[up]), 24, header=header)
    layouts = {
        "bgrx": (bgra, (0xFF0000, 0xFF00, 0xFF, 0)), "bgra": (bgra, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)), "rgba": (rgba, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
        "abgr": (abgr, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)), "xbgr": (abgr, (0xFF000000, 0xFF0000, 0xFF00, 0)), "zero": (bgra, (0, 0, 0, 0)),
        "bgar": (noise(H, W, 4, seed=8), (0xFF000000, 0xFF00, 0xFF, 0xFF0000)), "bgxr": (noise(H, W, 4, seed=8), (0xFF000000, 0xFF00, 0xFF, 0)),
        "rgbx": (rgba, (0xFF, 0xFF00, 0xFF0000, 0)), "odd": (bgra, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
    }
    for name, (pixels, mask) in layouts.items():
        for header in (40, 52, 56, 108, 124):
            files[f"32_{name}_header{header}"] = bmp(padded(pixels[up]), 32, header=header, compression=3, masks=masks(*mask)[: 12 if header < 56 else 16])
    for header in (40, 56, 108):
        files[f"16_555_masks_header{header}"] = bmp(padded(p555[up]), 16, header=header, compression=3, masks=masks(0x7C00, 0x3E0, 0x1F))
        files[f"16_565_header{header}"] = bmp(padded(p565[up]), 16, header=header, compression=3, masks=masks(0xF800, 0x7E0, 0x1F))
        files[f"16_444_header{header}"] = bmp(padded(p565[up]), 16, header=header, compression=3, masks=masks(0xF00, 0xF0, 0xF))
        files[f"24_masks_header{header}"] = bmp(padded(bgr[up]), 24, header=header, compression=3, masks=masks(0xFF0000, 0xFF00, 0xFF))
    files["16_555"] = bmp(padded(p555[up]), 16)
    values = np.arange(64, dtype=np.uint16).reshape(8, 8)
    files["16_all_values"] = bmp(padded((values % 32) << 11 | values << 5 | 31 - values % 32), 16, 8, 8, compression=3, masks=masks(0xF800, 0x7E0, 0x1F))
    ramp = np.concatenate([np.arange(256)[:, None].repeat(3, 1), np.zeros((256, 1), int)], -1).astype(np.uint8)
    for bits in (1, 4, 8):
        index = grey >> (8 - bits)
        rows = padded(packed(index, bits)[up])
        files[f"{bits}"] = bmp(rows, bits, palette=palette[: 1 << bits].tobytes())
        files[f"{bits}_down"] = bmp(padded(packed(index, bits)), bits, height=-H, palette=palette[: 1 << bits].tobytes())
        files[f"{bits}_os2"] = bmp(rows, bits, header=12, palette=palette[: 1 << bits, :3].tobytes())
        files[f"{bits}_few_colors"] = bmp(rows, bits, palette=palette[: (1 << bits) // 2].tobytes(), colors=(1 << bits) // 2)
        files[f"{bits}_ramp"] = bmp(rows, bits, palette=ramp[: 1 << bits].tobytes(), colors=1 << bits)
        files[f"{bits}_short_ramp"] = bmp(rows, bits, palette=ramp[: (1 << bits) // 2].tobytes(), colors=(1 << bits) // 2)
        files[f"{bits}_black_white"] = bmp(rows, bits, palette=b"\0\0\0\0\xff\xff\xff\0", colors=2)
        files[f"{bits}_white_black"] = bmp(rows, bits, palette=b"\xff\xff\xff\0\0\0\0\0", colors=2)
        files[f"{bits}_offset_0"] = bmp(rows, bits, palette=palette[: 1 << bits].tobytes(), offset=0)
        files[f"{bits}_offset_at_palette"] = bmp(rows, bits, palette=palette[: 1 << bits].tobytes(), offset=54)
    files["8_too_many_colors"] = bmp(padded(grey[up]), 8, palette=palette.tobytes() * 2, colors=512)
    flat = (grey // 64).astype(np.uint8)
    for literal in (False, True):
        tag = "_literal" if literal else ""
        files[f"8_runs{tag}"] = bmp(runs(flat[up], literal=literal), 8, compression=1, palette=palette.tobytes())
        files[f"8_runs_grey{tag}"] = bmp(runs(flat[up], literal=literal), 8, compression=1, palette=ramp.tobytes())
        files[f"4_runs{tag}"] = bmp(runs(flat[up], True, literal), 4, compression=2, palette=palette[:16].tobytes())
        files[f"4_runs_grey{tag}"] = bmp(runs(flat[up], True, literal), 4, compression=2, palette=ramp[:16].tobytes())
    files["8_runs_down"] = bmp(runs(flat), 8, height=-H, compression=1, palette=palette.tobytes())
    files["8_runs_jump"] = bmp(bytes([5, 1, 0, 2, 3, 2, 4, 2]) + b"\0\0" + runs(flat[3:]), 8, compression=1, palette=palette.tobytes())
    files["8_runs_empty_line"] = bmp(b"\0\0" + runs(flat[up]), 8, compression=1, palette=palette.tobytes())
    files["8_runs_end_early"] = bmp(runs(flat[:6]), 8, compression=1, palette=palette.tobytes())
    files["8_runs_too_long"] = bmp(b"".join(bytes([W + 9, y, 0, 0]) for y in range(H)) + b"\0\1", 8, compression=1, palette=palette.tobytes())
    files["8_runs_odd_offset"] = bmp(bytes(1) + runs(flat[up], literal=True), 8, compression=1, palette=palette.tobytes(), offset=14 + 40 + 1024 + 1)
    files["4_runs_of_8_bits"] = bmp(runs(flat[up]), 4, compression=1, palette=palette[:16].tobytes())
    files["24_os2"] = bmp(padded(bgr[up]), 24, header=12)
    files["24_gap"] = bmp(bytes(60) + padded(bgr[up]), 24, offset=54 + 60)
    files["24_trailing"] = bmp(padded(bgr[up]), 24, tail=b"more")
    files["24_without_last_padding"] = bmp(padded(bgr[up])[:-1], 24)
    files["24_cut"] = bmp(padded(bgr[up])[:-9], 24)
    files["2"] = bmp(padded(packed(grey >> 6, 2)[up]), 2, palette=palette[:4].tobytes())
    files["jpeg_inside"] = bmp(b"\xff\xd8", 24, compression=4)
    files["1x1"] = bmp(padded(bgr[:1, :1]), 24, 1, 1)
    return {f"bmp/{name}.bmp": data for name, data in files.items()}


# --- WebP


def riff(*chunks):
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp(pixels, **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", **options)
    return out.getvalue()


def int24(value):
    return struct.pack("<I", value)[:3]


def webp_files():
    rgb = photo()
    rgba = np.dstack([rgb, noise(H, W, seed=4)])
    lossy, lossless = webp(rgb, quality=80), webp(rgb, lossless=True)
    canvas = lambda flags, width=W, height=H: (b"VP8X", struct.pack("<I", flags) + int24(width - 1) + int24(height - 1))
    frame = lambda picture, x, y, width=W, height=H: (b"ANMF", int24(x // 2) + int24(y // 2) + int24(width - 1) + int24(height - 1) + int24(40) + b"\0" + picture[12:])
    files = {"lossy": lossy, "lossless": lossless, "lossy_alpha": webp(rgba, quality=80), "lossless_alpha": webp(rgba, lossless=True, exact=True)}
    files["lossy_alpha_raw"] = webp(rgba, quality=80, alpha_quality=20)
    files["lossless_few_colors"] = webp(rgb // 64 * 64, lossless=True)
    files["simple_filter"] = webp(photo(70, 50), quality=5, method=0)
    files["low_quality"] = webp(photo(67, 45), quality=3, method=6)
    files["trailing"] = lossy + b"zzz"
    files["extended"] = riff(canvas(0), (lossy[12:16], lossy[20:]))
    animation = (b"ANIM", struct.pack("<IH", 0xFF00FF00, 0))
    files["animated"] = riff(canvas(2), animation, frame(lossy, 0, 0), frame(lossless, 0, 0))
    files["animated_part"] = riff(canvas(2, W + 9, H + 7), animation, frame(lossy, 4, 2), frame(lossless, 0, 0))
    files["animated_alpha"] = riff(canvas(18, W + 4, H + 4), animation, frame(webp(rgba, lossless=True, exact=True), 2, 2))
    files["exif6"] = webp(rgb, quality=80, exif=b"Exif\0\0" + tiff(6))
    files["exif8_bare"] = riff(canvas(8), (lossy[12:16], lossy[20:]), (b"EXIF", tiff(8)))
    files["xmp6"] = webp(rgb, quality=80, xmp=XMP)
    files["cut"] = lossy[:-8]
    for width, height in ((1, 1), (1, 17), (17, 1), (2, 2), (33, 31)):
        files[f"{width}x{height}"] = webp(photo(width, height), quality=70)
        files[f"{width}x{height}_lossless"] = webp(photo(width, height), lossless=True)
    return {f"webp/{name}.webp": data for name, data in files.items()}


def all_files():
    return {**png_files(), **bmp_files(), **webp_files()}


def jpeg_files():
    """For mutations: JPEG has its own corpus."""
    files = {}
    for name, options in {"base": {}, "444": {"subsampling": 0}, "422": {"subsampling": 1}, "progressive": {"progressive": True}, "restart": {"restart_marker_blocks": 2}}.items():
        out = io.BytesIO()
        Image.fromarray(photo(53, 39)).save(out, "JPEG", quality=85, **options)
        files[f"jpeg/{name}.jpg"] = out.getvalue()
    for mode in ("L", "CMYK"):
        out = io.BytesIO()
        Image.fromarray(photo(53, 39)).convert(mode).save(out, "JPEG")
        files[f"jpeg/{mode}.jpg"] = out.getvalue()
    return files


def pillow(data, mode):
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert(mode))


def main(folder):
    at = 0
    with open(f"{folder}/pictures.bin", "wb") as pictures, open(f"{folder}/pillow_pixels.tsv", "w") as facts:
        facts.write(f"# Pictures of pictures.bin as Pillow {Image.__version__} reads them: CRC-32 of convert(\"RGB\") and of convert(\"L\"); - where it refuses.\n")
        facts.write("# file\toffset\tbytes\twidth\theight\trgb\tgrey\n")
        for name, data in all_files().items():
            pictures.write(data)
            try:
                rgb, grey = pillow(data, "RGB"), pillow(data, "L")
                verdict = f"{rgb.shape[1]}\t{rgb.shape[0]}\t{zlib.crc32(rgb.tobytes()):08x}\t{zlib.crc32(grey.tobytes()):08x}"
            except Exception:
                verdict = "-\t-\t-\t-"
            facts.write(f"{name}\t{at}\t{len(data)}\t{verdict}\n")
            at += len(data)


if __name__ == "__main__":
    main(sys.argv[1])
