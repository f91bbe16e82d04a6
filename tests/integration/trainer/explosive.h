/*
 * explosive.h: a checkpoint of a healthy network that breaks at will: with a tiny learning rate it trains on, with a
 * large one the loss is not a number one step later. For tests of what happens then.
 */
#ifndef TEST_EXPLOSIVE_H
#define TEST_EXPLOSIVE_H

#define EXPLOSIVE_TINY "1e-37" /* the learning rate that is harmless */

/* Trains softmax with SGD for two steps in the folder of program.h, and writes explosive/step-2. */
void explosive_make(void);

#endif
