#pragma once
#include "train/net.h"

// One file a model; the table that names them is in net.cpp. Parameters, their order, names and initial weights are those of
// the peers named here, so that weights files and golden values fit.
namespace millrace::train {

/// timm's mobilenetv3_small_100 without dropout: 1,527,818 parameters with 1 channel and 10 classes.
/// Source: Howard et al., "Searching for MobileNetV3", 2019, table 2; timm 1.0.31 for names and initial weights.
std::shared_ptr<Net> make_mobilenetv3_small(const TrainOptions& options);

/// ResNet-18 as timm has it (torchvision's layers and names; the last BatchNorm of each block starts at 0): 11,227,812
/// parameters with 3 channels and 100 classes.
/// Source: He et al., "Deep residual learning for image recognition", 2016, table 1.
std::shared_ptr<Net> make_resnet18(const TrainOptions& options);

/// The WideResNet of the fashion-ddp study, `options.widen` wide, with torch's default initial weights: 17,117,466 parameters
/// with widen 10, 1 channel and 10 classes. Dropout draws from a generator of this rank alone.
/// Source: Zagoruyko and Komodakis, "Wide residual networks", 2016, for the idea; the layers are the study's own.
std::shared_ptr<Net> make_wide_resnet(const TrainOptions& options);

}  // namespace millrace::train
