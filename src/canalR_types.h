// The types that R's external pointers hold; Rcpp's generated code includes this file.
#pragma once
#include "engine/cell_file.h"
#include "engine/cellular.h"
#include "engine/importance.h"
#include "engine/network.h"
#include "engine/pretrainer.h"
#include "engine/trainer.h"
