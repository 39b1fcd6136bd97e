-- +goose Up
-- What a plan allows holds for the schedules that were made under a better one.

-- The function below reaches across accounts, as those of 00012 do and by the same rules.

-- For imago_worker, with a running run_schedules job: the plan itself is a decision of the
-- program's.
-- +goose StatementBegin
create function subscriptions_of(connections uuid[])
returns table (connection_id uuid, created_at timestamptz, subscription public.subscriptions)
language sql stable security definer set search_path = ''
as $$
    select c.id, a.created_at, s
    from public.connections c
    join public.accounts a on a.id = c.account_id
    left join public.subscriptions s on s.account_id = a.id
    where public.current_job_kind() = 'run_schedules' and c.id = any (subscriptions_of.connections)
$$;
-- +goose StatementEnd
comment on function subscriptions_of(uuid[]) is 'what the accounts of connections pay for, and since when there are';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.subscriptions_of(uuid[]) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.subscriptions_of(uuid[]) from public';
    execute 'grant execute on function public.subscriptions_of(uuid[]) to imago_worker';
end
$$;
-- +goose StatementEnd
