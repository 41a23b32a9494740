import { RunError } from '@pulumi/pulumi';

/** An error meant for whoever runs `pulumi`: Pulumi prints its message and no stack. */
export class Refusal extends RunError {
  constructor(message: string) {
    super(message);
    // Pulumi asks for the stack even so, and under tsx its source maps take 20 s of reading.
    this.stack = message;
  }
}
