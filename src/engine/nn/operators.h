// +, -, * and / of tensors. LibTorch declares them beside all of its 2,000 operators unless it is
// told that operators are included one by one, as the engine does: three seconds a file instead of
// eight.
#pragma once
#ifndef AT_PER_OPERATOR_HEADERS
#define AT_PER_OPERATOR_HEADERS
#endif
#include <ATen/TensorOperators.h>
