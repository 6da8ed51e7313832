"""One run of PyTorch's DataLoader on the samples, transforms and batch of a Millrace spec; `millrace compare` starts it.

usage: compare_dataloader.py PLAN.json        prints one JSON object as its last line

The plan (written by compare_plan.cpp) names the samples, the steps with their parameters, and how they are to be loaded:
`usual` is the recipe of the tutorials, a Dataset whose __getitem__ opens one PIL picture and puts it through torchvision's (or
timm's) transforms; `batched` gathers whole batches from one uint8 tensor in __getitems__, where the steps allow it.
Measured as `millrace bench loader` measures itself: at least 1.2 s and 6 batches of warm-up, a window that ends with a batch, one element of
every 4 KiB page read, the CPU time of the process and its workers. What is missing in this Python is named: {"missing": [...]}.
"""
import importlib.util
import json
import os
import sys
import time

BORN = time.perf_counter()


def cpu_seconds():
    """Of this process and its children, ended ones too."""
    tick = os.sysconf("SC_CLK_TCK")
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
                parents[int(name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / tick)
            except OSError:
                pass
    ours, total, more = {os.getpid()}, 0.0, True
    while more:
        more = {pid for pid, (parent, _) in parents.items() if parent in ours and pid not in ours}
        ours |= more
    for pid in ours - {os.getpid()}:
        total += parents[pid][1]
    times = os.times()  # Finer than the clock ticks of /proc.
    return total + times.user + times.system + times.children_user + times.children_system


def fail(**what):
    print(json.dumps(what), flush=True)
    sys.exit(1)


def needed():
    """Modules that this plan takes; looked for before any is imported, since that takes seconds."""
    names = ["torch", "numpy"]
    if plan["recipe"] == "usual":
        names += ["PIL", "torchvision"]
        if any("timm" in step.get("recipe", step.get("op")) or step.get("interpolation") == "random" for step in plan["augment"]):
            names.append("timm")
    return names


with open(sys.argv[1]) as plan_file:
    plan = json.load(plan_file)
absent = [name for name in needed() if importlib.util.find_spec(name) is None]
if absent:
    fail(missing=absent)
import numpy as np  # noqa: E402
import torch  # noqa: E402

NORMALIZED = plan["dtype"] == "f32"


def interpolation(name):
    from torchvision.transforms import InterpolationMode

    return {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC, "box": InterpolationMode.BOX,
            "hamming": InterpolationMode.HAMMING, "lanczos": InterpolationMode.LANCZOS}[name]


def pair(value):
    return [value] if isinstance(value, (int, float)) else list(value)


def size_of(step, key="size"):
    size = pair(step[key])
    return [int(size[0]), int(size[-1])]


def fill_of(step):
    fill = pair(step.get("fill") or 0)
    return fill[0] if len(fill) == 1 or plan["channels"] == 1 else tuple(fill)


def tail(mean, std, erasing=None):
    """From a PIL picture to what goes into the batch."""
    from torchvision import transforms as T

    if not NORMALIZED:
        # uint8: the device normalises. Planes or interleaved, as the plan's layout says.
        if plan["layout"] == "nhwc":
            return [lambda image: torch.from_numpy(np.array(image).reshape(image.height, image.width, plan["channels"]))]
        return [T.PILToTensor()]
    out = [T.ToTensor()]
    if mean:
        out.append(T.Normalize(pair(mean), pair(std)))
    return out + ([erasing] if erasing else [])


def planes_or_rows(planes):
    """A picture's uint8 planes as the plan's layout wants them."""
    planes = torch.as_tensor(np.asarray(planes))
    return planes.permute(1, 2, 0).contiguous() if plan["layout"] == "nhwc" else planes


def refuse_erasing(step):
    if not NORMALIZED and step.get("re_prob", 0) > 0:
        fail(error="the DataLoader side erases tensors of floats, not uint8 rows: re_prob = 0, or dtype = f32")


def torchvision_recipe(step, train):
    from torchvision import transforms as T

    refuse_erasing(step)
    size, mode = size_of(step), interpolation(step["interpolation"])
    if train:
        out = [T.RandomResizedCrop(size, scale=step["scale"], ratio=step["ratio"], interpolation=mode)]
        if step["hflip"] > 0:
            out.append(T.RandomHorizontalFlip(step["hflip"]))
        policy = step["auto_augment"]
        if policy == "ra":
            out.append(T.RandAugment(interpolation=mode, magnitude=step["ra_magnitude"]))
        elif policy == "ta_wide":
            out.append(T.TrivialAugmentWide(interpolation=mode))
        elif policy != "none":
            out.append(T.AutoAugment(policy=T.AutoAugmentPolicy(policy), interpolation=mode))
        erasing = T.RandomErasing(p=step["re_prob"]) if step["re_prob"] > 0 else None
    else:
        out, erasing = [T.Resize(int(pair(step["resize"])[0]), interpolation=mode), T.CenterCrop(size)], None
    return out + tail(step["mean"], step["std"], erasing)


def timm_recipe(step, train):
    refuse_erasing(step)
    from timm.data.transforms_factory import transforms_imagenet_eval, transforms_imagenet_train

    # With its prefetcher timm hands over uint8 planes and normalises on the device.
    common = dict(img_size=tuple(size_of(step)), interpolation=step["interpolation"], mean=tuple(step["mean"]), std=tuple(step["std"]), use_prefetcher=not NORMALIZED)
    if train:
        jitter = step["color_jitter"]
        out = transforms_imagenet_train(scale=tuple(step["scale"]), ratio=tuple(step["ratio"]), hflip=step["hflip"], vflip=step["vflip"],
                                        auto_augment=step["auto_augment"] or None, color_jitter=jitter[0] if len(jitter) == 1 else tuple(jitter),
                                        force_color_jitter=step["force_color_jitter"], grayscale_prob=step["grayscale_prob"], re_prob=step["re_prob"],
                                        re_mode=step["re_mode"], re_count=step["re_count"], **common)
    else:
        out = transforms_imagenet_eval(crop_pct=step["crop_pct"], crop_mode=step["crop_mode"], **common)
    if not NORMALIZED:
        return [out, planes_or_rows]
    return [out]


def pictures_step(step):
    """One op of a spec as torchvision's transform of a PIL picture."""
    from torchvision import transforms as T

    op = step["op"]
    if op == "random_affine":
        shear = step.get("shear")
        return T.RandomAffine(step["degrees"], translate=step.get("translate"), scale=step.get("scale"), shear=shear[0] if shear and len(shear) == 1 else shear,
                              interpolation=interpolation(step["interpolation"]), fill=fill_of(step))
    if op == "random_rotation":
        return T.RandomRotation(step["degrees"], interpolation=interpolation(step["interpolation"]), fill=fill_of(step))
    if op == "random_crop":
        padding = [int(p) for p in pair(step.get("padding") or 0)]
        return T.RandomCrop(size_of(step), padding=padding if any(padding) else None, fill=fill_of(step), padding_mode=step["padding_mode"])
    if op == "resize":
        if step.get("shorter"):
            return T.Resize(int(step["shorter"]), interpolation=interpolation(step["interpolation"]))
        return T.Resize(size_of(step), interpolation=interpolation(step["interpolation"]))
    if op == "center_crop":
        return T.CenterCrop(size_of(step))
    if op == "random_resized_crop":
        if step["interpolation"] == "random":
            from timm.data.transforms import RandomResizedCropAndInterpolation

            return RandomResizedCropAndInterpolation(size_of(step), scale=step["scale"], ratio=step["ratio"], interpolation="random")
        return T.RandomResizedCrop(size_of(step), scale=step["scale"], ratio=step["ratio"], interpolation=interpolation(step["interpolation"]))
    if op == "random_horizontal_flip":
        return T.RandomHorizontalFlip(step["p"])
    if op == "random_vertical_flip":
        return T.RandomVerticalFlip(step["p"])
    if op == "random_grayscale":
        return T.RandomGrayscale(step["p"])
    if op == "rand_augment":
        return T.RandAugment(step["num_ops"], step["magnitude"], step["num_magnitude_bins"], interpolation=interpolation(step["interpolation"]), fill=fill_of(step))
    if op == "trivial_augment_wide":
        return T.TrivialAugmentWide(step["num_magnitude_bins"], interpolation=interpolation(step["interpolation"]), fill=fill_of(step))
    if op == "auto_augment":
        return T.AutoAugment(T.AutoAugmentPolicy(step["policy"]), interpolation=interpolation(step["interpolation"]), fill=fill_of(step))
    if op == "color_jitter":
        value = lambda key: (lambda v: v if isinstance(v, (int, float)) else v[0] if len(v) == 1 else tuple(v))(step.get(key) or 0)  # noqa: E731
        return T.ColorJitter(value("brightness"), value("contrast"), value("saturation"), value("hue"))
    if op == "timm_rand_augment":
        from timm.data.auto_augment import rand_augment_transform
        from timm.data.transforms import str_to_pil_interp

        mean = tuple(min(255, round(255 * m)) for m in step["mean"])
        return rand_augment_transform(step["config"], dict(img_mean=mean, translate_const=100, **({} if step["interpolation"] == "random" else
                                                           {"interpolation": str_to_pil_interp(step["interpolation"])})))
    fail(error=f"no DataLoader transform for the op {op}")


def usual_transform():
    from torchvision import transforms as T

    out, mean, std, erasing = [], None, None, None
    for step in plan["augment"]:
        if "recipe" in step:
            family, _, kind = step["recipe"].partition("-")
            made = (timm_recipe if family == "timm" else torchvision_recipe)(step, kind == "train")
            return T.Compose(out + made)  # A recipe ends with its own normalisation.
        if step["op"] == "normalize":
            mean, std = step["mean"], step["std"]
        elif step["op"] == "random_erasing":
            erasing = T.RandomErasing(p=step["p"], scale=step["scale"], ratio=step["ratio"], value=0)
        else:
            out.append(pictures_step(step))
    return T.Compose(out + tail(mean, std, erasing))


class Pictures(torch.utils.data.Dataset):
    """Files, or pictures that are in memory already, through transforms of PIL pictures."""

    def __init__(self):
        self.transform = usual_transform()
        from PIL import Image, ImageOps

        self.image, self.upright = Image, ImageOps.exif_transpose if plan.get("exif_orientation") else None
        self.files = plan.get("files")
        self.labels = plan["labels"] if self.files else np.fromfile(plan["labels_file"], np.int64).tolist()
        if not self.files:
            shape = (-1, plan["height"], plan["width"]) + ((3,) if plan["channels"] == 3 else ())
            self.pixels = torch.from_numpy(np.fromfile(plan["pixels_file"], np.uint8).reshape(shape))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        if self.files:
            with open(self.files[index], "rb") as file:
                picture = self.image.open(file)
                if self.upright:
                    picture = self.upright(picture)
                picture = picture.convert("RGB")
        else:
            picture = self.image.fromarray(self.pixels[index].numpy())
        return self.transform(picture), self.labels[index]


class Gathered(torch.utils.data.Dataset):
    """Whole batches at once, from one tensor: what a user writes who has seen how long the usual recipe takes."""

    def __init__(self):
        shape = (-1, plan["height"], plan["width"], plan["channels"])
        self.pixels = torch.from_numpy(np.fromfile(plan["pixels_file"], np.uint8).reshape(shape)).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(np.fromfile(plan["labels_file"], np.int64))
        self.mean = self.std = None
        for step in plan["augment"]:
            self.mean, self.std = (torch.tensor(pair(step[key])).view(1, -1, 1, 1) for key in ("mean", "std"))

    def __len__(self):
        return len(self.labels)

    def __getitems__(self, indices):
        at = torch.as_tensor(indices)
        pixels = self.pixels[at]
        if not NORMALIZED:
            return (pixels.permute(0, 2, 3, 1).contiguous() if plan["layout"] == "nhwc" else pixels), self.labels[at]
        images = pixels.float().div_(255)
        if self.mean is not None:
            images.sub_(self.mean).div_(self.std)
        return (images.contiguous(memory_format=torch.channels_last) if plan["layout"] == "nhwc" else images), self.labels[at]


def collate(samples):
    images, labels = torch.utils.data.default_collate(samples)
    if NORMALIZED and plan["layout"] == "nhwc":
        images = images.contiguous(memory_format=torch.channels_last)
    return images, labels


def touch(images):
    """Reads one element of every 4 KiB page, as `millrace bench loader` does."""
    flat = (images if images.is_contiguous() else images.permute(0, 2, 3, 1)).reshape(-1)
    return float(flat[:: 4096 // flat.element_size()].sum())


def loader_of(dataset):
    workers = plan["workers"]
    # A sampler without an end, or workers would be started again inside the window; each epoch is a permutation of its own.
    if plan["sampler"] == "shuffled":
        generator = torch.Generator()
        generator.manual_seed(plan["seed"])
        sampler = torch.utils.data.RandomSampler(dataset, num_samples=len(dataset) * 100_000, generator=generator)
    else:
        sampler = (i % len(dataset) for i in range(len(dataset) * 100_000))
    extra = dict(persistent_workers=True, prefetch_factor=plan["prefetch"]) if workers else {}
    return torch.utils.data.DataLoader(dataset, plan["batch"], sampler=sampler, num_workers=workers, drop_last=True,
                                       collate_fn=(lambda batch: batch) if plan["recipe"] == "batched" else collate, **extra)


def main():
    dataset = Gathered() if plan["recipe"] == "batched" else Pictures()
    torch.manual_seed(plan["seed"])
    made = time.perf_counter()
    batches = iter(loader_of(dataset))
    images, labels = next(batches)
    touch(images)
    first = time.perf_counter() - made
    shape = tuple(images.shape)
    assert len(images) == len(labels) == plan["batch"], shape
    assert images.dtype == (torch.float32 if NORMALIZED else torch.uint8), images.dtype
    sample = images.double()
    assert bool(torch.isfinite(sample).all()) and float(sample.std()) > 0, "the first batch is flat"
    mean, std = float(sample.mean()), float(sample.std())
    seen = 1
    while time.perf_counter() - made < 1.2 or seen < 6:
        touch(next(batches)[0])
        seen += 1
    cpu, began, count = cpu_seconds(), time.perf_counter(), 0
    while True:
        images, labels = next(batches)
        touch(images)
        count += len(labels)
        seconds = time.perf_counter() - began
        if seconds >= plan["seconds"]:
            break
    cpu = cpu_seconds() - cpu
    assert tuple(images.shape) == shape
    versions = {name: importlib.import_module(name).__version__ for name in ("torch", "torchvision", "PIL", "timm") if name in sys.modules}
    print(json.dumps({"images_per_second": count / seconds, "first_batch_seconds": first, "cpu_seconds_per_1000_images": 1000 * cpu / count, "images": count,
                      "seconds": seconds, "start_up_seconds": made - BORN, "shape": shape, "mean": mean, "std": std, "versions": versions}), flush=True)
    os._exit(0)  # Workers end with this process; joining them takes time that nobody asked for.


if __name__ == "__main__":
    main()
