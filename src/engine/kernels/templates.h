// All templates of a tier, in the order in which they need each other. Included inside a tier's
// target region, after its simd_*.h.
#pragma once
#include "engine/kernels/sparse_product.h"
#include "engine/kernels/vector_math.h"
//
#include "engine/kernels/elementwise.h"
#include "engine/kernels/format_float32.h"
#include "engine/kernels/product.h"
//
#include "engine/kernels/dense_product.h"
//
#include "engine/kernels/layer_norm.h"
#include "engine/kernels/packed_layer.h"
//
#include "engine/kernels/forward.h"
//
#include "engine/kernels/combine.h"
#include "engine/kernels/residual.h"
//
#include "engine/kernels/backward_room.h"
//
#include "engine/kernels/backward.h"
//
#include "engine/kernels/encoder.h"
