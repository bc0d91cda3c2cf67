/* The course's LSTM, forward, backward and a step of gradient descent, by hand: what a step costs with nothing around.

   Compiled with UNITS and BATCH. The rows of a batch lie beside each other, so that the compiler makes vectors of them.
   Gates: enter, candidate, forget, leave, as in TensorFlow 1. */
#include <math.h>
#include <string.h>

#define STEPS 9
#define GATES (4 * UNITS)
typedef float Row[BATCH];

static float kernel[1 + UNITS][GATES], bias[GATES], weight[UNITS], shift;
static Row gates[STEPS][GATES], cells[STEPS + 1][UNITS], hiddens[STEPS + 1][UNITS], squashed[STEPS][UNITS];

void begin(const float *k, const float *b, const float *w, float s) {
    memcpy(kernel, k, sizeof kernel);
    memcpy(bias, b, sizeof bias);
    memcpy(weight, w, sizeof weight);
    shift = s;
}

static inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }
static inline float squash(float x) { return 1 - 2 / (1 + expf(2 * x)); }

/* One step of the cell: inputs are those of all rows. */
static void advance(const Row inputs, int t) {
    for (int g = 0; g < GATES; ++g) {
        Row sum;
        for (int r = 0; r < BATCH; ++r) sum[r] = bias[g] + kernel[0][g] * inputs[r];
        for (int u = 0; u < UNITS; ++u)
            for (int r = 0; r < BATCH; ++r) sum[r] += kernel[1 + u][g] * hiddens[t][u][r];
        switch (g / UNITS) {
            case 1: for (int r = 0; r < BATCH; ++r) gates[t][g][r] = squash(sum[r]); break;
            case 2: for (int r = 0; r < BATCH; ++r) gates[t][g][r] = sigmoid(sum[r] + 1); break;
            default: for (int r = 0; r < BATCH; ++r) gates[t][g][r] = sigmoid(sum[r]);
        }
    }
    for (int u = 0; u < UNITS; ++u)
        for (int r = 0; r < BATCH; ++r) {
            float *enter = gates[t][u], *candidate = gates[t][UNITS + u];
            float *forget = gates[t][2 * UNITS + u], *leave = gates[t][3 * UNITS + u];
            cells[t + 1][u][r] = cells[t][u][r] * forget[r] + enter[r] * candidate[r];
            squashed[t][u][r] = squash(cells[t + 1][u][r]);
            hiddens[t + 1][u][r] = squashed[t][u][r] * leave[r];
        }
}

/* Errors [BATCH] of rows [BATCH][STEPS + 1], whose last number is the label. */
static void forward(const float *rows, Row inputs[STEPS], Row errors) {
    for (int t = 0; t < STEPS; ++t) {
        for (int r = 0; r < BATCH; ++r) inputs[t][r] = rows[r * (STEPS + 1) + t];
        advance(inputs[t], t);
    }
    for (int r = 0; r < BATCH; ++r) errors[r] = shift - rows[r * (STEPS + 1) + STEPS];
    for (int u = 0; u < UNITS; ++u)
        for (int r = 0; r < BATCH; ++r) errors[r] += weight[u] * hiddens[STEPS][u][r];
}

static float sum_of_products(const Row a, const Row b) {
    float sum = 0;
    for (int r = 0; r < BATCH; ++r) sum += a[r] * b[r];
    return sum;
}

/* Gradients by the gates before they are squashed, from those by the hidden state and the cell, which go on to t - 1. */
static void retreat(int t, Row by_hidden[UNITS], Row by_cell[UNITS], Row by_gates[GATES]) {
    for (int u = 0; u < UNITS; ++u)
        for (int r = 0; r < BATCH; ++r) {
            float enter = gates[t][u][r], candidate = gates[t][UNITS + u][r];
            float forget = gates[t][2 * UNITS + u][r], leave = gates[t][3 * UNITS + u][r], s = squashed[t][u][r];
            float of_cell = by_cell[u][r] + by_hidden[u][r] * leave * (1 - s * s);
            by_gates[u][r] = of_cell * candidate * enter * (1 - enter);
            by_gates[UNITS + u][r] = of_cell * enter * (1 - candidate * candidate);
            by_gates[2 * UNITS + u][r] = of_cell * cells[t][u][r] * forget * (1 - forget);
            by_gates[3 * UNITS + u][r] = by_hidden[u][r] * s * leave * (1 - leave);
            by_cell[u][r] = of_cell * forget;
        }
    for (int u = 0; u < UNITS; ++u) {
        Row sum = {0};
        for (int g = 0; g < GATES; ++g)
            for (int r = 0; r < BATCH; ++r) sum[r] += kernel[1 + u][g] * by_gates[g][r];
        memcpy(by_hidden[u], sum, sizeof sum);
    }
}

static void step(const float *rows, float rate) {
    static Row inputs[STEPS], by_hidden[UNITS], by_cell[UNITS], by_gates[GATES];
    static float by_kernel[1 + UNITS][GATES], by_bias[GATES];
    Row errors, ones;
    forward(rows, inputs, errors);
    memset(by_kernel, 0, sizeof by_kernel);
    memset(by_bias, 0, sizeof by_bias);
    memset(by_cell, 0, sizeof by_cell);
    for (int r = 0; r < BATCH; ++r) errors[r] *= 2.0f / BATCH, ones[r] = 1;
    for (int u = 0; u < UNITS; ++u)
        for (int r = 0; r < BATCH; ++r) by_hidden[u][r] = weight[u] * errors[r];
    for (int u = 0; u < UNITS; ++u) weight[u] -= rate * sum_of_products(errors, hiddens[STEPS][u]);
    shift -= rate * sum_of_products(errors, ones);
    for (int t = STEPS - 1; t >= 0; --t) {
        retreat(t, by_hidden, by_cell, by_gates);
        for (int g = 0; g < GATES; ++g) {
            by_bias[g] += sum_of_products(by_gates[g], ones);
            by_kernel[0][g] += sum_of_products(by_gates[g], inputs[t]);
            for (int u = 0; u < UNITS; ++u) by_kernel[1 + u][g] += sum_of_products(by_gates[g], hiddens[t][u]);
        }
    }
    for (int g = 0; g < GATES; ++g) {
        bias[g] -= rate * by_bias[g];
        for (int u = 0; u <= UNITS; ++u) kernel[u][g] -= rate * by_kernel[u][g];
    }
}

/* So many steps over an epoch of batches, from its beginning. */
void train(const float *rows, long batches, long steps, float rate) {
    for (long n = 0; n < steps; ++n) step(rows + n % batches * BATCH * (STEPS + 1), rate);
}

/* The mean squared error of all batches. */
double loss(const float *rows, long batches) {
    static Row inputs[STEPS];
    double sum = 0;
    for (long n = 0; n < batches; ++n) {
        Row errors;
        forward(rows + n * BATCH * (STEPS + 1), inputs, errors);
        sum += sum_of_products(errors, errors);
    }
    return sum / (batches * BATCH);
}
