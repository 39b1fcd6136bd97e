-- +goose Up
-- An installation that comes to sell plans has sold none before: its accounts, however old,
-- try one from then on, and lose nothing by it at once.

create table selling (
    id uuid not null default new_id(),
    since timestamptz not null,
    constraint selling_pkey primary key (id)
);
comment on table selling is 'since when this installation sells plans, by the oldest row; none: it does not yet; reached only through functions';
alter table selling enable row level security;
alter table selling force row level security;
grant select, insert on selling to imago_definer;
create policy selling_definer on selling to imago_definer using (true) with check (true);

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function begin_selling(at timestamptz) returns void
language sql volatile security definer set search_path = ''
as $$
    insert into public.selling (since)
    select at where public.current_job_kind() = 'run_schedules' and not exists (select from public.selling)
$$;
-- +goose StatementEnd
comment on function begin_selling(timestamptz) is 'says that the installation sells plans; the first time stays';

-- +goose StatementBegin
create function trial_begins(created timestamptz) returns timestamptz
language sql stable security definer set search_path = ''
as $$
    select greatest(created, coalesce((select min(s.since) from public.selling s), now()))
$$;
-- +goose StatementEnd
comment on function trial_begins(timestamptz) is 'since when an account that was made then tries a plan: not before there were any';

-- +goose StatementBegin
create or replace function claim_billing_looks(at timestamptz, every interval, trial interval, around interval, most int)
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
        and (s.account_id is not null or public.trial_begins(a.created_at) + trial between at - around and at + around)
    order by a.id
    limit most
    on conflict on constraint billing_looks_pkey do update set looked_at = at
    returning k.account_id
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.begin_selling(timestamptz) owner to imago_definer';
    execute 'alter function public.trial_begins(timestamptz) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.begin_selling(timestamptz) from public';
    execute 'revoke execute on function public.trial_begins(timestamptz) from public';
    execute 'grant execute on function public.begin_selling(timestamptz) to imago_worker';
    execute 'grant execute on function public.trial_begins(timestamptz) to imago_api, imago_worker';
end
$$;
-- +goose StatementEnd
