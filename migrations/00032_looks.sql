-- +goose Up
-- A notification of the payment processor may get lost, and a trial ends without one: so
-- each account that pays, or whose trial is about to end, is looked at every few hours.

create table billing_looks (
    account_id uuid not null,
    looked_at timestamptz not null,
    constraint billing_looks_pkey primary key (account_id),
    constraint billing_looks_account_fkey foreign key (account_id) references accounts (id)
);
comment on table billing_looks is 'when it was last looked how accounts stand with the payment processor, and with their trial';
alter table billing_looks enable row level security;
alter table billing_looks force row level security;
create policy billing_looks_own on billing_looks for select to imago_worker
    using (account_id = (select current_account()));
grant select on billing_looks to imago_worker;
grant select, insert, update on billing_looks to imago_definer;
create policy billing_looks_definer on billing_looks to imago_definer using (true) with check (true);

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function claim_billing_looks(at timestamptz, every interval, trial interval, around interval, most int)
returns table (account_id uuid)
language sql volatile security definer set search_path = ''
as $$
    insert into public.billing_looks as k (account_id, looked_at)
    select a.id, at
    from public.accounts a
    left join public.subscriptions s on s.account_id = a.id
    left join public.billing_looks l on l.account_id = a.id
    where public.current_job_kind() = 'run_schedules'
        and (l.looked_at is null or l.looked_at < at - every)
        and (s.account_id is not null or a.created_at + trial between at - around and at + around)
    order by a.id
    limit most
    on conflict on constraint billing_looks_pkey do update set looked_at = at
    returning k.account_id
$$;
-- +goose StatementEnd
comment on function claim_billing_looks(timestamptz, interval, interval, interval, int) is 'accounts that pay, or whose trial ends about now, each once in a while';

-- +goose StatementBegin
create function stands_look(args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (select from public.billing_looks l where l.account_id = public.as_uuid(args ->> 'account_id'))
$$;
-- +goose StatementEnd
comment on function stands_look(jsonb) is 'whether a look was claimed that a tick is about to enqueue';

-- +goose StatementBegin
do $$
declare
    signature text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach signature in array array['claim_billing_looks(timestamptz, interval, interval, interval, int)', 'stands_look(jsonb)'] loop
        execute format('alter function public.%s owner to imago_definer', signature);
        execute format('revoke execute on function public.%s from public', signature);
        execute format('grant execute on function public.%s to imago_worker', signature);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd

create policy river_job_look_insert on river.river_job for insert to imago_worker
    with check (kind = 'apply_billing' and (select current_job_kind()) = 'run_schedules' and stands_look(args));

alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent',
        'payment_failed', 'subscription_ended', 'trial_ends', 'trial_ended', 'digest', 'storm', 'mail_stopped'));
