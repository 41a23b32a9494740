import { z } from 'zod';
import { CutoverError } from './errors.ts';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** As a stack writes it; those that RDS writes itself may have more members. */
const secret = z.object({ username: z.string().min(1), password: z.string().min(1) });

/**
 * Fetches a login from AWS Secrets Manager, with the credentials and the endpoint that the environment names.
 * @param arn of a secret whose text is JSON with `username` and `password`
 * @throws CutoverError `target` that names the secret and nothing of its value
 */
export async function fetchLogin(arn: string): Promise<Login> {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
  // arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME
  const region = arn.split(':')[3];
  const client = new SecretsManagerClient(region ? { region } : {});
  let text: string | undefined;
  try {
    text = (await client.send(new GetSecretValueCommand({ SecretId: arn }))).SecretString;
  } catch (error) {
    const { name, message } = error as Error;
    throw new CutoverError(
      'target',
      `secret ${arn}: ${name}: ${message}`,
      "Give the Job's role secretsmanager:GetSecretValue on it, and kms:Decrypt on its key; correct the ARN.",
    );
  } finally {
    client.destroy();
  }
  try {
    return secret.parse(JSON.parse(text ?? ''));
  } catch {
    throw new CutoverError(
      'target',
      `secret ${arn} is no JSON with username and password`,
      'Name the secret that holds the login of the administrator.',
    );
  }
}
