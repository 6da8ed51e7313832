#include "augment/enhance.h"
