/* A microphone with its loudspeaker: echo canceller and preprocessor in one call per frame. */
#ifndef PEREGRINE_SPEEXDSP_H
#define PEREGRINE_SPEEXDSP_H

typedef struct peregrine_speexdsp peregrine_speexdsp;

/* NULL: out of memory. */
peregrine_speexdsp *peregrine_speexdsp_new(int rate, int frame, int tail);
void peregrine_speexdsp_free(peregrine_speexdsp *s);

/* echo: cancel it; noise: lower steady noise by so many decibels. */
void peregrine_speexdsp_set(peregrine_speexdsp *s, int echo, int noise);

/* Forgets the echo path. */
void peregrine_speexdsp_reset(peregrine_speexdsp *s);

/* Cleans microphone in place and returns the probability of speech in percent. */
int peregrine_speexdsp_run(peregrine_speexdsp *s, short *microphone, const short *loudspeaker);

#endif
