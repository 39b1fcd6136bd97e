-- +goose Up
-- What people are told of: refused sign-ins in the activity log of the account, a
-- write window that stays open by mail, what a held-up snapshot waits for.

-- A snapshot that is held up says why.
alter table snapshots add column waits_for text not null default '';
comment on column snapshots.waits_for is 'why a run does not get on, for a person; empty: it does, or the org''s rate limit holds it';
grant select (waits_for) on snapshots to imago_api, imago_drift;
grant update (waits_for) on snapshots to imago_worker;

-- A write app that nobody switches off is told of once.
alter table restores add column reminded_at timestamptz;
grant update (reminded_at) on restores to imago_worker;
alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent'));

-- What was refused at the door. A row is made for any address, so that nothing about
-- the answer, or the time that it takes, tells whether the address has an account; the
-- tick finds that out later.
create table sign_in_refusals (
    id uuid not null,
    code_id uuid not null,
    nth int not null,
    at timestamptz not null default now(),
    box bytea not null,
    claimed_at timestamptz,
    told uuid[] not null default '{}',
    constraint sign_in_refusals_pkey primary key (id),
    constraint sign_in_refusals_once_key unique (code_id, nth),
    constraint sign_in_refusals_code_fkey foreign key (code_id) references sign_in_codes (id) on delete cascade,
    constraint sign_in_refusals_nth_range check (nth between 0 and 6),
    constraint sign_in_refusals_box_length check (octet_length(box) <= 1000)
);
create index sign_in_refusals_claim_idx on sign_in_refusals (at) where claimed_at is null;
comment on table sign_in_refusals is 'wrong sign-in codes, until the accounts that they were tried on are told; reached only through functions';
comment on column sign_in_refusals.nth is '1 to 5: the wrong tries of a code; 6: a try after those; 0: too many codes were asked for';
comment on column sign_in_refusals.box is 'request ID and network address, sealed to the workers';
comment on column sign_in_refusals.told is 'accounts whose activity log has it';
alter table sign_in_refusals enable row level security;
alter table sign_in_refusals force row level security;
grant select, insert, update on sign_in_refusals to imago_definer;
create policy sign_in_refusals_definer on sign_in_refusals to imago_definer using (true) with check (true);

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_api, with no proof, in the transaction in which check_code said no. A code
-- has at most six rows: what is tried after the sixth is a flood.
-- +goose StatementBegin
create function note_refusal(id uuid, code uuid, client bytea, box bytea)
returns void
language sql volatile security definer set search_path = ''
as $$
    insert into public.sign_in_refusals as f (id, code_id, nth, box)
    select note_refusal.id, c.id,
        case when exists (
            select from public.sign_in_refusals g where g.code_id = c.id and g.nth = c.tries) then 6 else c.tries end,
        note_refusal.box
    from public.sign_in_codes c
    where c.id = note_refusal.code and c.client_hash = note_refusal.client and c.tries > 0
    on conflict (code_id, nth) do nothing
$$;
-- +goose StatementEnd
comment on function note_refusal(uuid, uuid, bytea, bytea) is 'notes that a code was wrong, for the accounts of its address';

-- For imago_api, with no proof, when begin_sign_in has said no: once an hour, and only if
-- it was the address that too many codes were asked for, and not the asker's place.
-- +goose StatementBegin
create function note_throttle(id uuid, address text, box bytea)
returns void
language sql volatile security definer set search_path = ''
as $$
    with recent as (
        select c.id, c.created_at from public.sign_in_codes c
        where c.email = lower(address) and c.created_at > now() - interval '1 hour'
    )
    insert into public.sign_in_refusals (id, code_id, nth, box)
    select note_throttle.id, r.id, 0, note_throttle.box from recent r
    where (select count(*) from recent) >= 5
        and not exists (
            select from public.sign_in_refusals f join recent on recent.id = f.code_id where f.nth = 0)
    order by r.created_at desc
    limit 1
    on conflict (code_id, nth) do nothing
$$;
-- +goose StatementEnd
comment on function note_throttle(uuid, text, bytea) is 'notes that too many codes were asked for an address, for its accounts';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function claim_refusals(most int)
returns table (account_id uuid, refusal_id uuid)
language sql volatile security definer set search_path = ''
as $$
    with claimed as (
        update public.sign_in_refusals f set claimed_at = now()
        where f.id in (
            select g.id from public.sign_in_refusals g
            where public.current_job_kind() = 'run_schedules' and g.claimed_at is null
            order by g.at
            limit most
            for update skip locked)
        returning f.id, f.code_id
    )
    select m.account_id, claimed.id
    from claimed
    join public.sign_in_codes c on c.id = claimed.code_id
    join public.users u on u.email = c.email
    join public.members m on m.user_id = u.id
    order by claimed.id, m.account_id
$$;
-- +goose StatementEnd
comment on function claim_refusals(int) is 'refused sign-ins that nobody was told of, with the accounts that are to be; those of nobody are done with';

-- For imago_worker, with a running report_failure job about a refusal: all that the
-- account was not told of, so that they stand in its log in their order, and each once.
-- +goose StatementBegin
create function take_refusals()
returns table (id uuid, code_id uuid, email text, nth int, at timestamptz, box bytea)
language sql volatile security definer set search_path = ''
as $$
    with taken as (
        update public.sign_in_refusals f set told = f.told || public.current_account()
        from public.sign_in_codes c, public.users u, public.members m
        where exists (
                select from river.river_job j
                where j.id = public.current_job_id() and j.kind = 'report_failure'
                    and public.as_uuid(j.args ->> 'refusal_id') is not null)
            and f.claimed_at is not null and not public.current_account() = any (f.told)
            and c.id = f.code_id and u.email = c.email and m.user_id = u.id
            and m.account_id = public.current_account()
        returning f.id, f.code_id, c.email, f.nth, f.at, f.box
    )
    select t.id, t.code_id, t.email, t.nth, t.at, t.box from taken t order by t.at, t.nth, t.id
$$;
-- +goose StatementEnd
comment on function take_refusals() is 'the refused sign-ins that the running job is to tell its account of';

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('note_refusal(uuid, uuid, bytea, bytea)', 'imago_api'),
            ('note_throttle(uuid, text, bytea)', 'imago_api'),
            ('claim_refusals(int)', 'imago_worker'),
            ('take_refusals()', 'imago_worker')
        ) as t (signature, caller)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        execute format('grant execute on function public.%s to %I', f.signature, f.caller);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
